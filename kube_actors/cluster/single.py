"""One component alone, its addresses given: for `kactl run`, and to swap any part for another implementation.

A component of ours talks to any other that speaks the same protocol: the API server to etcd, the scheduler
to an API server that runs elsewhere. Certificates come from the authority in the given folder.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kube_actors.api.errors import ConfigError
from kube_actors.cluster import wiring
from kube_actors.cluster.config import ClusterConfig, NetworkSection
from kube_actors.cluster.group import Group
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.pki import STORE, Pki
from kube_actors.cluster.plan import LOOPBACK_RANGES, PROXIES, ClusterPlan, NodePlan, plan
from kube_actors.rpc.server import Listener
from kube_actors.rpc.tls import ServerTLS

# The component, and what to say of it once it runs.
Single = tuple[Group, Callable[[], str]]


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """PEM files of the store's certificate, as etcd's flags name them; all or none."""

    certificate: str | None = None
    key: str | None = None
    trusted_ca: str | None = None

    def read(self) -> ServerTLS | None:
        given = (self.certificate, self.key, self.trusted_ca)
        if not any(given):
            return None
        if not all(given):
            raise ConfigError("--cert-file, --key-file and --trusted-ca-file go together")
        certificate, key, trusted_ca = (_read(name) for name in given if name)
        return ServerTLS(certificate=certificate, key=key, client_ca=trusted_ca)


@dataclass(frozen=True, slots=True)
class ServerAddresses:
    host: str
    rest_port: int
    grpc_port: int
    token_port: int


def store(listen: str, data: Path | None, files: StoreFiles) -> Single:
    """The store. Without certificates on loopback only: whoever reaches it owns the cluster."""
    from kube_actors.store.server import StoreConfig, StoreServer

    tls = files.read()
    if tls is None and not listen.startswith("unix:") and not _is_loopback(listen):
        raise ConfigError(
            f"--listen {listen}: everybody who reaches it could read and change all; give --cert-file, --key-file "
            "and --trusted-ca-file, or listen on 127.0.0.1"
        )
    server = StoreServer(StoreConfig(listeners=(Listener(listen, tls),), data_dir=data))
    return Group("store", [server]), lambda: f" at {', '.join(server.addresses)}"


def api_server(
    paths: ClusterPaths,
    addresses: ServerAddresses,
    store_address: str,
    *,
    store_tls: bool,
    service_cidr: str,
    loopback: bool,
) -> Single:
    """The API server over any store of etcd's v3 API; its kubeconfig is written below the folder."""
    from kube_actors.cluster.embedded import write_kubeconfig

    paths.make()
    pki = Pki.open(paths.pki)
    pods, services = LOOPBACK_RANGES if loopback else ("", "")
    base = _plan(paths, "process" if loopback else "simulated", pods, service_cidr or services)
    resolved = dataclasses.replace(
        base,
        host=addresses.host,
        rest_port=addresses.rest_port,
        grpc_address=f"{addresses.host}:{addresses.grpc_port}",
        token_address=f"{addresses.host}:{addresses.token_port}",
        store_address=store_address,
    )
    tls = pki.client_tls(wiring.STORE_CLIENT, (wiring.MASTERS_GROUP,), STORE) if store_tls else None
    group, server = wiring.api_server(resolved, pki, store_tls=tls)

    def say() -> str:
        running = dataclasses.replace(resolved, rest_port=server.rest_port, grpc_address=server.grpc_addresses[0])
        write_kubeconfig(running, pki, paths.kubeconfig)
        listening = f"https://{resolved.server_host}:{server.rest_port} and {', '.join(server.grpc_addresses)}"
        return f" at {listening}; kubeconfig {paths.kubeconfig}"

    return group, say


def scheduler(paths: ClusterPaths, server: str) -> Single:
    return wiring.scheduler(_towards(paths, server), Pki.open(paths.pki)), lambda: ""


def controller_manager(paths: ClusterPaths, server: str) -> Single:
    identity = socket.gethostname()
    return wiring.controller_manager(_towards(paths, server), Pki.open(paths.pki), identity), lambda: ""


def node(
    paths: ClusterPaths, server: str, *, name: str, runtime: str, pod_cidr: str, service_cidr: str, proxy: bool
) -> Single:
    """A node agent with its runtime, and unless told otherwise the machine's service proxy."""
    paths.make()
    kind = wiring.resolve_runtime(runtime)
    base = _towards(paths, server, kind, service_cidr=service_cidr)
    first = pod_cidr or base.nodes[0].pod_cidr
    which = NodePlan(name=name, pod_cidr=first, proxy=PROXIES[kind] if proxy else "")
    return wiring.node(base, Pki.open(paths.pki), which), lambda: f" as {name} with runtime {kind}"


def _towards(paths: ClusterPaths, server: str, runtime: str = "simulated", *, service_cidr: str = "") -> ClusterPlan:
    """A plan in which the API server is at that gRPC address."""
    return dataclasses.replace(_plan(paths, runtime, "", service_cidr), grpc_address=server)


def _plan(paths: ClusterPaths, runtime: str, pod_cidr: str, service_cidr: str) -> ClusterPlan:
    config = ClusterConfig(network=NetworkSection(pod_cidr=pod_cidr, service_cidr=service_cidr))
    return plan(config, paths, runtime, embedded=False)


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror}") from error
