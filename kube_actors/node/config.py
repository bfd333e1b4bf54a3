"""The settings of a node agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kube_actors.node.eviction.thresholds import DEFAULTS
from kube_actors.node.images.garbage import ImageGcPolicy
from kube_actors.rpc.server import Listener

KUBELET_VERSION = "v1.36.0"


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What one node agent has to know. Seconds everywhere.

    `pod_cidr` empty: the node waits for the API server to give it one (spec.podCIDR of its Node).
    `capacity` overrides what is measured, by resource name: {"cpu": "4", "nvidia.com/gpu": "1"}.
    """

    name: str
    root_dir: Path
    # Where streams into pods are served; None: nowhere, as for the nodes of a fleet, which share a server.
    listener: Listener | None = field(default_factory=lambda: Listener("127.0.0.1:0"))
    # The names of the client certificates that may open streams into pods; None: whoever the listener lets in.
    callers: frozenset[str] | None = None
    advertise_address: str = "127.0.0.1"
    pod_cidr: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, str], ...] = ()
    capacity: Mapping[str, str] = field(default_factory=dict)
    # What the operating system keeps for itself: allocatable is capacity less this.
    reserved: Mapping[str, str] = field(default_factory=dict)
    max_pods: int = 110
    # Kernel parameters that pods may set besides the safe ones: a kubelet's allowedUnsafeSysctls.
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    # The folder of static pods; None: there are none.
    static_pods: Path | None = None
    # evictionHard of a kubelet, by signal; see `eviction/thresholds.py`.
    eviction_hard: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULTS))
    # How long a condition of pressure stays after its cause: a kubelet's evictionPressureTransitionPeriod.
    pressure_seconds: float = 300.0
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    # The lease is renewed four times in this time, as kubelet does.
    lease_seconds: int = 40
    # How often the node looks at itself; it writes on a change, and every `status_report_interval`.
    status_interval: float = 10.0
    status_report_interval: float = 300.0
    # The net under runtime.changes(): how often everything that runs is listed.
    relist_interval: float = 10.0
    # How often mounted ConfigMaps, Secrets and downward API files are looked at.
    volume_refresh_interval: float = 30.0
    # {SERVICE}_SERVICE_HOST and its like; costs an informer of all services.
    service_environment: bool = True
    parallel_pulls: int = 4
    image_gc: ImageGcPolicy = field(default_factory=ImageGcPolicy)
