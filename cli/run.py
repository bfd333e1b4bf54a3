"""kactl run: one component alone, in the foreground, until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
from pathlib import Path

from kube_actors.cluster import logs, loop, single
from kube_actors.cluster.paths import ClusterPaths, of_cluster

from . import session
from .failure import usage
from .up import until_told


def run(arguments: argparse.Namespace) -> int:
    logs.configure(level=arguments.log_level, as_json=arguments.log_json, component=arguments.component)
    return loop.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    group, describe = _construct(arguments)
    await group.start()
    try:
        print(f"{arguments.component} is ready{describe()}", flush=True)
        await until_told()
    finally:
        await group.stop()
    return 0


def _construct(arguments: argparse.Namespace) -> single.Single:
    """The component, and what to say of it once it runs."""
    kind = arguments.component
    if kind == "store":
        tls = single.StoreFiles(arguments.cert_file, arguments.key_file, arguments.trusted_ca_file)
        return single.store(arguments.listen, Path(arguments.data) if arguments.data else None, tls)
    paths = _paths(arguments)
    if kind == "apiserver":
        return single.api_server(
            paths,
            single.ServerAddresses(arguments.host, arguments.port, arguments.grpc_port, arguments.token_port),
            arguments.store,
            store_tls=arguments.store_tls,
            service_cidr=arguments.service_cidr,
            loopback=arguments.loopback_endpoints,
        )
    if kind == "scheduler":
        return single.scheduler(paths, arguments.server)
    if kind == "controller-manager":
        return single.controller_manager(paths, arguments.server)
    if kind == "node":
        return single.node(
            paths,
            arguments.server,
            name=arguments.name,
            runtime=arguments.runtime,
            pod_cidr=arguments.pod_cidr,
            service_cidr=arguments.service_cidr,
            proxy=not arguments.no_proxy,
        )
    raise usage(f"there is no component {kind!r}")


def _paths(arguments: argparse.Namespace) -> ClusterPaths:
    """Where certificates and tokens are."""
    if arguments.data:
        return ClusterPaths(Path(arguments.data).expanduser().absolute())
    return of_cluster(session.cluster_name(arguments))
