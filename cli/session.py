"""The way to the API server: which cluster is meant, and a client of it."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from kube_actors.client.client import KubeClient
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.tls import ClientTLS

from .failure import NO_CLUSTER, Failure, usage

DEFAULT_CLUSTER = "default"
CLUSTER_VARIABLE = "KUBE_ACTORS_CLUSTER"
# The stable name in the API server's certificate.
SERVER_NAME = "apiserver.kube-actors"
# A component that was killed is back within this.
PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Connection:
    """Where the API server is and who we are."""

    address: str
    tls: ClientTLS
    # Whether the cluster's processes are known to be there: then a server that is away comes back.
    live: bool


def cluster_name(arguments: argparse.Namespace) -> str:
    """The cluster of the flag, of the environment, or the default one."""
    return str(arguments.cluster or os.environ.get(CLUSTER_VARIABLE) or DEFAULT_CLUSTER)


def connection(arguments: argparse.Namespace) -> Connection:
    """The connection of `--kubeconfig`, else of the cluster that runs here. Raises Failure or ConfigError."""
    from kube_actors.cluster import kubeconfig, paths, record

    live = False
    if arguments.kubeconfig:
        path = Path(arguments.kubeconfig)
    else:
        found = record.read(paths.of_cluster(cluster_name(arguments)))
        if found is None or not found.live:
            raise Failure(NO_CLUSTER)
        if found.phase != record.RUNNING:
            raise usage(f"cluster {found.name!r} is {found.phase}; try again when that is done")
        path, live = Path(found.kubeconfig), True
    config = kubeconfig.read(path)
    if not config.grpc:
        raise usage(f"{path} is not of a kube-actors cluster: it names no gRPC address")
    tls = ClientTLS(ca=config.ca, certificate=config.certificate, key=config.key, server_name=SERVER_NAME)
    return Connection(config.grpc, tls, live)


@asynccontextmanager
async def client(arguments: argparse.Namespace) -> AsyncIterator[KubeClient]:
    """A client that runs while the block does."""
    where = connection(arguments)
    kube = KubeClient([where.address], where.tls, user_agent="kactl", patience=PATIENCE_SECONDS if where.live else 0.0)
    await kube.start()
    try:
        yield kube
    except RpcError as error:
        if error.code != "UNAVAILABLE":
            raise
        if not where.live:
            raise Failure(NO_CLUSTER) from error
        raise Failure(
            f"The connection to the server {where.address} was refused; 'kactl status' says how the components are"
        ) from error
    finally:
        await kube.stop()
