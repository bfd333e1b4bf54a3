"""What an API server is told at its start."""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.rpc.server import Listener
from kube_actors.rpc.tls import ClientTLS, ServerTLS


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A bearer token and who holds it, as a line of kube-apiserver's --token-auth-file."""

    token: str
    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApiServerConfig:
    """Addresses, certificates and ranges. `rest_port` 0 takes any free port.

    A gRPC listener without client certificates, or without TLS, authenticates by bearer token alone.
    """

    store_addresses: tuple[str, ...]
    grpc_listeners: tuple[Listener, ...]
    rest_host: str
    rest_port: int
    rest_tls: ServerTLS
    store_tls: ClientTLS | None = None
    # Its members may get other addresses while this runs: ask it for them now and then.
    store_members_move: bool = False
    tokens: tuple[StaticToken, ...] = ()
    # How to call node agents; None: logs are answered with an error that says so.
    node_tls: ClientTLS | None = None
    # The certificate that servers of aggregated APIs know this server by; its name is in the cluster's
    # extension-apiserver-authentication.
    proxy_tls: ClientTLS | None = None
    service_cidr: str = "10.96.0.0/12"
    advertise_address: str = "127.0.0.1"
    cluster_name: str = "default"
    # Pod addresses may be loopback ones (process runtime), which Kubernetes refuses in endpoints.
    loopback_endpoints: bool = False
    node_port_range: tuple[int, int] = (30000, 32767)
    # History older than this is compacted away in the store, as kube-apiserver does every five minutes.
    compaction_seconds: float = 300.0
