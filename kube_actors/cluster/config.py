"""What a cluster is to look like: `cluster_configs/*.yaml` as frozen values.

Only what works is accepted. Everything else is refused in one line that says where and what is allowed.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kube_actors.api.errors import ConfigError
from kube_actors.api.quantity import milli, to_int
from kube_actors.apiserver.config import OPTIONAL_ADMISSION
from kube_actors.cluster import settings
from kube_actors.cluster.access import IDENTITY
from kube_actors.cluster.etcd import external
from kube_actors.cluster.paths import checked_name
from kube_actors.cluster.settings import PORT, between, setting
from kube_actors.node.containers import sysctls
from kube_actors.node.eviction import thresholds
from kube_actors.node.runtime.simulated import SimulatedConfig, read_config

MB = 1 << 20
RUNTIMES = ("auto", "docker", "process", "simulated")
MODES = ("ray", "embedded")
MAX_NODES = 5000
# Of nodes that are more than memory.
MAX_REAL_NODES = 250
MIN_INTERVAL, MAX_INTERVAL = 10.0, 365 * 86400.0


def _network(value: str) -> str | None:
    if not value:
        return None
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        return f"is no network: {error}"
    if network.version != 4 or network.prefixlen > 24:
        return "must be an IPv4 network of /24 or larger"
    return None


def _address(value: str) -> str | None:
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return "must be an IPv4 address of this machine"
    return None


def _cluster_name(value: str) -> str | None:
    try:
        checked_name(value)
    except ConfigError as error:
        return str(error).partition(": ")[2].replace("use", "is no name: use", 1)
    return None


def _absolute(value: str) -> str | None:
    return None if not value or Path(value).is_absolute() else "must be an absolute path"


@dataclass(frozen=True, slots=True)
class EncryptionSection:
    """Encryption at rest. `keys` are names and files with a base64 key of 16, 24 or 32 bytes: the first one writes,
    all of them read. The name `identity` (with any text) stands for no encryption."""

    resources: tuple[str, ...] = setting(("secrets",))
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditSection:
    """The audit log; none without a policy. `log_file` empty: audit.log among the cluster's logs. 0: no limit."""

    policy_file: str = setting("", check=_absolute)
    log_file: str = setting("", check=_absolute)
    max_megabytes: int = setting(100, check=between(1, 100_000))
    max_backups: int = setting(10, check=between(0, 10_000))
    max_days: int = setting(30, check=between(0, 10_000))


def _optional_plugins(values: tuple[str, ...]) -> str | None:
    unknown = [one for one in values if one not in OPTIONAL_ADMISSION]
    return f"must be among {', '.join(OPTIONAL_ADMISSION)}" if unknown else None


@dataclass(frozen=True, slots=True)
class ApiServerSection:
    """Where the API server listens: REST, gRPC for client certificates, gRPC for bearer tokens."""

    host: str = setting("127.0.0.1", check=_address)
    port: int = setting(6443, check=PORT)
    grpc_port: int = setting(6444, check=PORT)
    token_port: int = setting(6445, check=PORT)
    # Lines of token,user,uid,"group1,group2", as kube-apiserver's.
    token_file: str = setting("", check=_absolute)
    encryption: EncryptionSection = field(default_factory=EncryptionSection)
    audit: AuditSection = field(default_factory=AuditSection)
    enable_admission_plugins: tuple[str, ...] = setting((), check=_optional_plugins)
    # Whether containers may be privileged, if those who make them may: --allow-privileged of kube-apiserver.
    allow_privileged: bool = False


def _interval(value: str) -> str | None:
    if not value:
        return None
    try:
        length = settings.seconds(value)
    except ValueError as error:
        return str(error)
    return None if MIN_INTERVAL <= length <= MAX_INTERVAL else "must be from 10s to 365d"


def _patience(value: str) -> str | None:
    try:
        length = settings.seconds(value)
    except ValueError as error:
        return str(error)
    return None if 1 <= length <= MAX_INTERVAL else "must be from 1s to 365d"


def _age(value: str) -> str | None:
    """Also nothing."""
    return None if value == "0s" else _patience(value)


def _ray_address(value: str) -> str | None:
    host, _, port = value.rpartition(":")
    wrong = not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536 or _address(host)
    return "must be ADDRESS:PORT, as 'ray start --head' prints it, such as 10.0.0.1:6379" if value and wrong else None


@dataclass(frozen=True, slots=True)
class BackupSection:
    """Backups by the clock; none for an empty interval. `folder` empty: backups/ in the cluster's folder."""

    interval: str = setting("", check=_interval)
    keep: int = setting(24, check=between(1, 10_000))
    folder: str = setting("", check=_absolute)


ENGINES = ("embedded", "etcd")
# An even number bears no more losses than the odd one below it, and is more that can fail.
MEMBERS = (1, 3, 5, 7)
DEFAULT_MEMBERS = 3


def _members(value: int) -> str | None:
    return None if value in MEMBERS else "must be 1, 3, 5 or 7; an even number bears no more losses than one less"


def _endpoints(values: tuple[str, ...]) -> str | None:
    for value in values:
        problem = external.problem(value)
        if problem:
            return f"has {value!r}, which {problem}"
    schemes = {value.partition("://")[0] for value in values}
    return "must be all https or all http" if len(schemes) > 1 else None


@dataclass(frozen=True, slots=True)
class StoreSection:
    """The embedded engine, members of a real etcd that we run, or with `endpoints` an etcd that exists."""

    engine: str = setting("embedded", choices=ENGINES)
    # With members: the first one's, for clients; each has two, one after the other.
    port: int = setting(2379, check=PORT)
    # 0: not given; 3 with engine etcd.
    members: int = setting(0, check=_members)
    # A name on PATH or a path.
    binary: str = setting("")
    endpoints: tuple[str, ...] = setting((), check=_endpoints)
    # PEM files for an etcd that exists; `server_name` is what the certificates of all its members are valid for.
    ca_file: str = setting("", check=_absolute)
    cert_file: str = setting("", check=_absolute)
    key_file: str = setting("", check=_absolute)
    server_name: str = setting("")
    # False: in memory, for clusters that need not survive (embedded only).
    durable: bool = setting(True)
    # Members over the nodes of a Ray that exists: which ones, by Ray's labels, and how long one may be away.
    node_selector: dict[str, str] = field(default_factory=dict)
    replace_after: str = setting("5m", check=_patience)
    backup: BackupSection = field(default_factory=BackupSection)

    @property
    def member_count(self) -> int:
        """How many members of an etcd we run."""
        if self.engine != "etcd" or self.endpoints:
            return 0
        return self.members or DEFAULT_MEMBERS


@dataclass(frozen=True, slots=True)
class MastersSection:
    count: int = setting(1)


def _reserved(values: dict[str, str]) -> str | None:
    for name, amount in values.items():
        if name not in RESERVABLE:
            return f"may reserve {', '.join(RESERVABLE)}, not {name}"
        try:
            if milli(amount) < 0:
                return f"has less than nothing of {name}: {amount}"
        except ValueError:
            return f"has {amount!r} of {name}, which is no quantity such as 500m or 1Gi"
    return None


def _size(value: str) -> str | None:
    try:
        return None if to_int(value) > 0 else "must be more than 0"
    except ValueError:
        return "is no quantity such as 500Ki or 10Mi"


def _thresholds(values: dict[str, str]) -> str | None:
    try:
        thresholds.parse(values)
    except ConfigError as error:
        return str(error)
    return None


RESERVABLE = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True, slots=True)
class WorkersSection:
    """The node agents, all alike. What a kubelet's configuration calls so has its name here."""

    # How many there may be depends on mode and runtime; see `_workers_problem`.
    count: int = setting(1)
    # Labels of every worker's Node object.
    labels: dict[str, str] = field(default_factory=dict)
    max_pods: int = setting(110, check=between(1, 250))
    # Kernel parameters that pods may set besides the safe ones; kernel.msg* means all that begin so.
    allowed_unsafe_sysctls: tuple[str, ...] = setting((), check=sysctls.problem)
    # What pods do not get: kubelet's systemReserved and kubeReserved together.
    reserved: dict[str, str] = field(default_factory=dict, metadata={"check": _reserved})
    eviction_hard: dict[str, str] = field(
        default_factory=lambda: dict(thresholds.DEFAULTS), metadata={"check": _thresholds}
    )
    # What is kept of a container's output: a file that has grown so large is followed by another; so many stay.
    container_log_max_size: str = setting("10Mi", check=_size)
    container_log_max_files: int = setting(5, check=between(2, 1000))
    # How long a condition of pressure stays after its cause has gone.
    eviction_pressure_transition_period: str = setting("5m", check=_patience)
    # Of the disk with the images, in percent: at the first, unused images go until the second. 100: never.
    image_gc_high_threshold_percent: int = setting(85, check=between(0, 100))
    image_gc_low_threshold_percent: int = setting(80, check=between(0, 100))
    # No image goes that is younger; one that has been unused for longer goes in any case (0s: none does).
    image_minimum_gc_age: str = setting("2m", check=_age)
    image_maximum_gc_age: str = setting("0s", check=_age)
    image_gc_period: str = setting("5m", check=_patience)
    # Also images that the node did not pull itself. Not for a Docker engine that is used for other things too.
    image_gc_all_images: bool = setting(False)


@dataclass(frozen=True, slots=True)
class NetworkSection:
    """Empty: what suits the runtime. Pods of the process runtime live on loopback addresses."""

    pod_cidr: str = setting("", check=_network)
    service_cidr: str = setting("", check=_network)


@dataclass(frozen=True, slots=True)
class StorageSection:
    """Folders on every node for volumes made on demand. Empty: below the cluster's folder.

    What lies in `shared_path` has to be the same folder on all machines of the cluster, such as an NFS mount.
    """

    local_path: str = setting("", check=_absolute)
    shared_path: str = setting("", check=_absolute)


@dataclass(frozen=True, slots=True)
class RaySection:
    """The Ray to run on. `address` empty: start one on this machine; port 0: any that is free.

    With an address the cluster runs on that Ray, which stays when the cluster ends. `token_file` has its token
    where the environment (RAY_AUTH_TOKEN_PATH) does not say.
    """

    address: str = setting("", check=_ray_address)
    token_file: str = setting("", check=_absolute)
    port: int = setting(0, check=PORT)
    dashboard_port: int = setting(0, check=PORT)
    num_cpus: int = setting(2, check=between(1, 4096))
    object_store_memory: int = setting(100_000_000, check=between(80_000_000, 1 << 40))


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    name: str = setting("default", check=_cluster_name)
    mode: str = setting("ray", choices=MODES)
    runtime: str = setting("auto", choices=RUNTIMES)
    api_server: ApiServerSection = field(default_factory=ApiServerSection)
    store: StoreSection = field(default_factory=StoreSection)
    masters: MastersSection = field(default_factory=MastersSection)
    workers: WorkersSection = field(default_factory=WorkersSection)
    network: NetworkSection = field(default_factory=NetworkSection)
    storage: StorageSection = field(default_factory=StorageSection)
    ray: RaySection = field(default_factory=RaySection)
    # How the containers of the simulated runtime behave.
    simulated: SimulatedConfig = field(default_factory=SimulatedConfig, metadata={"reader": read_config})

    def replace(self, **changes: Any) -> ClusterConfig:
        return dataclasses.replace(self, **changes)


def load(path: Path) -> ClusterConfig:
    """Read and check a config file. Raises ConfigError with one line."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read the config {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    return parse(content, str(path))


def parse(content: Any, source: str) -> ClusterConfig:
    """A config from what YAML gave; `source` names the file in errors."""
    config = settings.read(ClusterConfig, content, source)
    check(config, source)
    return config


def check(config: ClusterConfig, source: str) -> None:
    """Raise ConfigError for what does not work, or not together."""
    problem = unsupported(config) or _contradiction(config)
    if problem:
        raise ConfigError(f"{source}: {problem}")


def unsupported(config: ClusterConfig) -> str | None:
    """What is valid but does not work yet, in words for the user."""
    if config.masters.count != 1:
        return f"masters.count: {config.masters.count} masters are not supported yet; allowed: 1"
    if config.mode == "ray" and not config.store.durable and not config.store.endpoints:
        return "store.durable: false needs mode: embedded; a Ray actor's memory does not survive its restart"
    return None


def _store_contradiction(config: ClusterConfig) -> str | None:
    store = config.store
    if store.endpoints and (store.members or store.binary):
        return "store.endpoints: an etcd that exists has its own members; leave store.members and store.binary out"
    if store.engine != "etcd" and (store.members or store.binary):
        return "store.members: goes with engine: etcd"
    if store.member_count and config.mode == "embedded":
        return "store.engine: members of an etcd need mode: ray; in one process use engine: embedded"
    if store.member_count and not store.durable:
        return "store.durable: an etcd is always durable; leave it out"
    if store.node_selector and not (store.member_count and config.ray.address):
        return "store.nodeSelector: goes with members of an etcd (engine: etcd) on a Ray that exists (ray.address)"
    if store.member_count and config.ray.address and not store.port:
        return "store.port: members on several hosts need a port that is free on all of them; leave it out for 2379"
    if not store.endpoints and (store.ca_file or store.cert_file or store.key_file or store.server_name):
        return "store.caFile: certificates go with store.endpoints; our own members get theirs from the cluster"
    return external.contradiction(store.endpoints, (store.ca_file, store.cert_file, store.key_file), store.server_name)


def _store_ports(store: StoreSection, *, spread: bool) -> list[tuple[str, int]]:
    """The ports that are decided already: none for an etcd of somebody else's."""
    if store.endpoints or not store.port:
        return []
    if not store.member_count:
        return [("store.port", store.port)]
    last = store.port + 2 * (1 if spread else store.member_count)
    return [(f"store.port of {store.member_count} members", port) for port in range(store.port, last)]


def _ray_contradiction(config: ClusterConfig) -> str | None:
    ray = config.ray
    if config.mode == "embedded" and ray.address:
        return "ray.address: needs mode: ray; an embedded cluster has none"
    if ray.address and (ray.port or ray.dashboard_port):
        return "ray.port: goes with a Ray of our own; one that exists (ray.address) has its ports"
    if ray.token_file and not ray.address:
        return "ray.tokenFile: goes with ray.address; a Ray of our own makes its token"
    return None


def _workers_contradiction(workers: WorkersSection) -> str | None:
    low, high = workers.image_gc_low_threshold_percent, workers.image_gc_high_threshold_percent
    if low >= high:
        return f"workers.imageGCLowThresholdPercent: {low} must be less than imageGCHighThresholdPercent, {high}"
    minimum, maximum = workers.image_minimum_gc_age, workers.image_maximum_gc_age
    if 0 < settings.seconds(maximum) <= settings.seconds(minimum):
        return f"workers.imageMaximumGCAge: {maximum} must be more than imageMinimumGCAge, {minimum}"
    return None


def _encryption_problem(encryption: EncryptionSection) -> str | None:
    for name, path in encryption.keys.items():
        if not name or ":" in name:
            return f"apiServer.encryption.keys: {name!r} is no name for a key"
        if name != IDENTITY and not Path(path).is_absolute():
            return f"apiServer.encryption.keys.{name}: must be an absolute path"
    return None


def _workers_problem(config: ClusterConfig) -> str | None:
    count = config.workers.count
    # A control plane without nodes is of use where software is tested.
    least = 0 if config.mode == "embedded" else 1
    if not least <= count <= MAX_NODES:
        return f"workers.count: {count} must be from {least} to {MAX_NODES}"
    if count > MAX_REAL_NODES and config.runtime != "simulated":
        return f"workers.count: {count} needs runtime: simulated; others have at most {MAX_REAL_NODES}"
    if config.simulated != SimulatedConfig() and config.runtime != "simulated":
        return "simulated: needs runtime: simulated"
    return None


def _contradiction(config: ClusterConfig) -> str | None:
    problem = _store_contradiction(config) or _ray_contradiction(config) or _workers_contradiction(config.workers)
    if problem:
        return problem
    backup = config.store.backup
    if backup.interval and not backup.folder and not config.store.durable:
        return "store.backup.folder: needed for a store in memory, whose folder does not stay"
    problem = _workers_problem(config)
    if problem:
        return problem
    if not 0 <= config.api_server.port <= 65535:
        return f"apiServer.port: {config.api_server.port} must be from 0 to 65535"
    ports: dict[int, str] = {}
    for name, port in (
        ("apiServer.port", config.api_server.port),
        ("apiServer.grpcPort", config.api_server.grpc_port),
        ("apiServer.tokenPort", config.api_server.token_port),
        *_store_ports(config.store, spread=bool(config.ray.address)),
        ("ray.port", config.ray.port),
        ("ray.dashboardPort", config.ray.dashboard_port),
    ):
        if port and port in ports:
            return f"{name}: {port} is also {ports[port]}; choose another"
        ports[port] = name
    pods, services = config.network.pod_cidr, config.network.service_cidr
    if pods and services and ipaddress.ip_network(pods).overlaps(ipaddress.ip_network(services)):
        return f"network.serviceCIDR: {services} overlaps network.podCIDR {pods}"
    return None
