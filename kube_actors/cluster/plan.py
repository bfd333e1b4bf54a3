"""A config resolved for this machine: which runtime, which addresses, which names. Pure but for `plan()`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from kube_actors.api.errors import ConfigError
from kube_actors.api.quantity import to_int
from kube_actors.cluster.access import AccessPlan, AuditPlan
from kube_actors.cluster.config import MAX_REAL_NODES, ClusterConfig, WorkersSection
from kube_actors.cluster.etcd import external
from kube_actors.cluster.etcd.external import ExternalStore
from kube_actors.cluster.loopback import PAIRS
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.settings import seconds
from kube_actors.node.eviction.thresholds import DEFAULTS
from kube_actors.node.images.garbage import ImageGcPolicy
from kube_actors.node.runtime.interface import LogRotation
from kube_actors.node.runtime.simulated import SimulatedConfig

MASTER = "master-1"
# Ranges by runtime: pods and services of the process runtime live on loopback addresses.
LOOPBACK_RANGES = PAIRS[0]
CLUSTER_RANGES = ("10.244.0.0/16", "10.96.0.0/12")
# For pods of more nodes than the range above has room for.
WIDE_RANGE = "10.128.0.0/9"
PROXIES = {"docker": "nftables", "process": "userspace", "simulated": ""}


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node agent."""

    name: str
    pod_cidr: str
    # The first node of a machine serves the machine's services.
    proxy: str


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """The settings of all node agents."""

    labels: dict[str, str] = field(default_factory=dict)
    max_pods: int = 110
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    reserved: dict[str, str] = field(default_factory=dict)
    eviction_hard: dict[str, str] = field(default_factory=lambda: dict(DEFAULTS))
    pressure_seconds: float = 300.0
    image_gc: ImageGcPolicy = field(default_factory=ImageGcPolicy)
    logs: LogRotation = field(default_factory=LogRotation)


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """Backups by the clock: seconds between two, how many stay, where."""

    interval: float
    keep: int
    folder: str


@dataclass(frozen=True, slots=True)
class MemberPlan:
    """One member of an etcd that we run: where clients and where other members find it."""

    name: str
    host: str
    client_port: int
    peer_port: int

    @property
    def address(self) -> str:
        return f"{self.host}:{self.client_port}"


@dataclass(frozen=True, slots=True)
class EtcdPlan:
    """`formed`: it has served before, so a member without data has lost it."""

    members: tuple[MemberPlan, ...]
    token: str
    binary: str
    formed: bool = False


@dataclass(frozen=True, slots=True)
class SpreadPlan:
    """A Ray of several nodes that was there before the cluster. A host is one of its machines, by address.

    `master` has the cluster's folder and every component but those that are placed elsewhere. Members of the
    store are placed on hosts whose Ray labels have all of `selector`; one whose host has been away for
    `replace_after` seconds gets another.
    """

    master: str
    selector: tuple[tuple[str, str], ...] = ()
    replace_after: float = 300.0


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """Everything that the components' constructors need to know; picklable, so that actors get it as it is."""

    name: str
    root: Path
    runtime: str
    pod_cidr: str
    service_cidr: str
    host: str
    rest_port: int
    # gRPC and store addresses: HOST:PORT, or unix:PATH where all is in one process.
    grpc_address: str
    token_address: str
    store_address: str
    durable: bool
    nodes: tuple[NodePlan, ...]
    workers: WorkerPlan = field(default_factory=WorkerPlan)
    # Admission plugins that Kubernetes has turned off by default.
    admission_plugins: tuple[str, ...] = ()
    allow_privileged: bool = False
    # Where volumes made on demand lie on the nodes.
    local_volumes: str = ""
    shared_volumes: str = ""
    backup: BackupPlan | None = None
    access: AccessPlan = field(default_factory=AccessPlan)
    # What the store is instead of the embedded engine.
    etcd: EtcdPlan | None = None
    external: ExternalStore | None = None
    # Whether the API server answers metrics.k8s.io itself.
    resource_metrics: bool = True
    # None: everything is on this machine.
    spread: SpreadPlan | None = None
    simulated: SimulatedConfig = field(default_factory=SimulatedConfig)

    @property
    def store_addresses(self) -> tuple[str, ...]:
        """All addresses of the store; any of them will do."""
        if self.etcd is not None:
            return tuple(member.address for member in self.etcd.members)
        return self.external.addresses if self.external is not None else (self.store_address,)

    def continues(self, other: ClusterPlan) -> bool:
        """Whether this cluster has the objects and the nodes of the other: its nodes then adopt what runs."""

        def pods(plan: ClusterPlan) -> tuple[object, ...]:
            return plan.root, plan.external, plan.runtime, plan.pod_cidr, plan.nodes

        return self.durable and other.durable and pods(self) == pods(other)

    @property
    def paths(self) -> ClusterPaths:
        return ClusterPaths(self.root)

    @property
    def server_host(self) -> str:
        """The address by which this machine reaches the API server."""
        return "127.0.0.1" if self.host == "0.0.0.0" else self.host

    @property
    def loopback(self) -> bool:
        """Whether pods have loopback addresses."""
        return self.pod_cidr.startswith("127.")

    @property
    def pod_gateway(self) -> str:
        """The address that this machine has on the pods' own network, where the loopback one is out of their reach.

        Docker gives a bridge the first address of its subnet. Empty where pods share the machine's network, where
        services have loopback addresses, and where the API server listens everywhere anyway.
        """
        if self.runtime != "docker" or self.service_cidr.startswith("127.") or self.host == "0.0.0.0":
            return ""
        return str(ipaddress.ip_network(self.pod_cidr)[1])


def proxy_mode(runtime: str, kernel_services: bool) -> str:
    """How services of a runtime's pods are served: by the kernel where it may be told to, else by sockets."""
    return PROXIES[runtime] if kernel_services or runtime != "docker" else "userspace"


def uses_loopback(runtime: str, kernel_services: bool) -> bool:
    """Whether pods or services have loopback addresses, where the config gives no others."""
    return runtime == "process" or proxy_mode(runtime, kernel_services) == "userspace"


def plan(
    config: ClusterConfig,
    paths: ClusterPaths,
    runtime: str,
    *,
    embedded: bool,
    kernel_services: bool = True,
    loopback: tuple[str, str] = LOOPBACK_RANGES,
) -> ClusterPlan:
    """The plan of a config. `runtime` is the resolved kind (never auto). Raises ConfigError.

    Without `kernel_services` (no root, no nft) services of Docker pods have loopback addresses, which
    this machine reaches and its pods do not. `loopback` are the cluster's own ranges, see `loopback.choose`.
    """
    proxy = proxy_mode(runtime, kernel_services)
    default_pods = (loopback if runtime == "process" else CLUSTER_RANGES)[0]
    if config.workers.count > MAX_REAL_NODES:
        default_pods = WIDE_RANGE
    pods = config.network.pod_cidr or default_pods
    services = config.network.service_cidr or (loopback if proxy == "userspace" else CLUSTER_RANGES)[1]
    if runtime == "process" and not (pods.startswith("127.") and services.startswith("127.")):
        raise ConfigError(
            "network: the process runtime needs loopback ranges; leave podCIDR and serviceCIDR out, or use 127.x"
        )
    host = config.api_server.host
    return ClusterPlan(
        name=config.name,
        root=paths.root,
        runtime=runtime,
        pod_cidr=pods,
        service_cidr=services,
        host=host,
        rest_port=config.api_server.port,
        grpc_address=f"{host}:{config.api_server.grpc_port}",
        token_address=f"{host}:{config.api_server.token_port}",
        store_address=f"unix:{paths.run / 'store.sock'}" if embedded else f"127.0.0.1:{config.store.port}",
        durable=config.store.durable,
        nodes=_nodes(config.workers.count, pods, proxy),
        workers=_workers(config.workers),
        admission_plugins=config.api_server.enable_admission_plugins,
        allow_privileged=config.api_server.allow_privileged,
        local_volumes=config.storage.local_path or str(paths.volumes),
        shared_volumes=config.storage.shared_path or str(paths.shared_volumes),
        backup=_backup(config, paths),
        access=_access(config, paths),
        external=_external(config),
        simulated=config.simulated,
    )


def _workers(section: WorkersSection) -> WorkerPlan:
    return WorkerPlan(
        labels=section.labels,
        max_pods=section.max_pods,
        allowed_unsafe_sysctls=section.allowed_unsafe_sysctls,
        reserved=section.reserved,
        eviction_hard=section.eviction_hard,
        pressure_seconds=seconds(section.eviction_pressure_transition_period),
        image_gc=ImageGcPolicy(
            section.image_gc_high_threshold_percent,
            section.image_gc_low_threshold_percent,
            seconds(section.image_minimum_gc_age),
            seconds(section.image_maximum_gc_age),
            section.image_gc_all_images,
            seconds(section.image_gc_period),
        ),
        logs=LogRotation(to_int(section.container_log_max_size), section.container_log_max_files),
    )


def _external(config: ClusterConfig) -> ExternalStore | None:
    store = config.store
    if not store.endpoints:
        return None
    return external.resolve(store.endpoints, (store.ca_file, store.cert_file, store.key_file), store.server_name)


def _access(config: ClusterConfig, paths: ClusterPaths) -> AccessPlan:
    section = config.api_server
    audit = section.audit
    log = audit.log_file or str(paths.logs / "audit.log")
    planned = AuditPlan(audit.policy_file, log, audit.max_megabytes, audit.max_backups, audit.max_days)
    return AccessPlan(
        token_file=section.token_file,
        encrypted=section.encryption.resources,
        keys=tuple(section.encryption.keys.items()),
        audit=planned if audit.policy_file else None,
    )


def _backup(config: ClusterConfig, paths: ClusterPaths) -> BackupPlan | None:
    section = config.store.backup
    if not section.interval:
        return None
    return BackupPlan(seconds(section.interval), section.keep, section.folder or str(paths.backups))


def _nodes(count: int, pod_cidr: str, proxy: str) -> tuple[NodePlan, ...]:
    """node-1 gets the second /24: the first one is left to gateways."""
    subnets = ipaddress.IPv4Network(pod_cidr).subnets(new_prefix=24)
    first = next(subnets)
    ranges = [str(subnet) for subnet, _ in zip(subnets, range(count), strict=False)] or [str(first)]
    if len(ranges) < count:
        raise ConfigError(f"network.podCIDR: {pod_cidr} has room for {len(ranges)} nodes of /24 each, not {count}")
    return tuple(
        NodePlan(name=f"node-{number}", pod_cidr=cidr, proxy=proxy if number == 1 else "")
        for number, cidr in enumerate(ranges, start=1)
    )
