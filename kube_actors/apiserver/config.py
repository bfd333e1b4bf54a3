"""What an API server is told at its start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kube_actors.rpc.server import Listener
from kube_actors.rpc.tls import ClientTLS, ServerTLS

# Admission plugins that run where they are asked for alone, by Kubernetes' names.
OPTIONAL_ADMISSION = ("AlwaysPullImages", "OwnerReferencesPermissionEnforcement")


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A bearer token and who holds it, as a line of kube-apiserver's --token-auth-file."""

    token: str
    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceAccountConfig:
    """`keys` gives PEM keys, private or public; the first private one signs. `audiences` empty: the issuer."""

    keys: Callable[[], Sequence[bytes]]
    issuer: str = "https://kubernetes.default.svc.cluster.local"
    audiences: tuple[str, ...] = ()
    # What a token of a pod lives where it asks for kubelet's default of 3607 s, for programs that never read it
    # again. 0: as long as it asks for.
    extended_seconds: int = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class EncryptionConfig:
    """Which resources are encrypted in the store (`secrets`, `deployments.apps`), and the keys by name: the first
    one writes, all of them read. The name `identity` stands for no encryption."""

    resources: tuple[str, ...]
    keys: tuple[tuple[str, bytes], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """`max_backups` and `max_days` 0: any number, for ever. The policy is read from its file at the start."""

    policy: Path
    path: Path
    max_bytes: int = 100 << 20
    max_backups: int = 10
    max_days: int = 30


@dataclass(frozen=True, slots=True)
class FairnessConfig:
    """Seats of the two levels, how many requests of one user may wait, and for how many seconds."""

    system_seats: int = 64
    seats: int = 32
    queue: int = 128
    patience: float = 15.0


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
    # None: the server issues no service-account tokens.
    service_accounts: ServiceAccountConfig | None = None
    tokens: tuple[StaticToken, ...] = ()
    encryption: EncryptionConfig | None = None
    audit: AuditConfig | None = None
    fairness: FairnessConfig = FairnessConfig()
    # What is neither a watch nor a session has to be answered within this many seconds.
    request_timeout: float = 60.0
    # How to call node agents; None: logs are answered with an error that says so.
    node_tls: ClientTLS | None = None
    # The certificate that servers of aggregated APIs know this server by; its name is in the cluster's
    # extension-apiserver-authentication.
    proxy_tls: ClientTLS | None = None
    service_cidr: str = "10.96.0.0/12"
    advertise_address: str = "127.0.0.1"
    # Where pods reach this machine, which the server listens on besides and tells them as its address: the gateway of
    # their network, which need not be there yet. Empty: they reach the advertised address.
    pod_gateway: str = ""
    # Whether metrics.k8s.io is answered here, from what node agents tell; else it is for an APIService to say.
    resource_metrics: bool = False
    cluster_name: str = "default"
    # Pod addresses may be loopback ones (process runtime), which Kubernetes refuses in endpoints.
    loopback_endpoints: bool = False
    node_port_range: tuple[int, int] = (30000, 32767)
    # Of OPTIONAL_ADMISSION, what runs besides the default plugins.
    enable_admission_plugins: tuple[str, ...] = ()
    # Whether containers may be privileged; of all API servers in one process the last to start decides.
    allow_privileged: bool = False
    # History older than this is compacted away in the store, as kube-apiserver does every five minutes.
    compaction_seconds: float = 300.0
