"""What can be set of the controller manager. Names and defaults are kube-controller-manager's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class NodeLifecycleConfig:
    """When a silent node is given up. `monitor_grace_seconds`: five times a kubelet's interval of 10 s."""

    monitor_period: float = 5.0
    monitor_grace_seconds: float = 50.0
    startup_grace_seconds: float = 60.0
    # Nodes tainted NoExecute a second and zone; the secondary rate is for a zone that fails in large part.
    eviction_rate: float = 0.1
    secondary_eviction_rate: float = 0.01
    large_zone_size: int = 50
    unhealthy_zone_threshold: float = 0.55


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Folders on the nodes for volumes made on demand; empty: no such provisioner.

    `keeps_files`: nodes hold real files, which a node removes before a deleted volume may go.
    """

    local_root: str = ""
    shared_root: str = ""
    keeps_files: bool = True


@dataclass(frozen=True, slots=True)
class ControllerConfig:
    """`identity` names this manager in the lease; `root_ca` is the PEM of the CA that pods trust."""

    root_ca: bytes
    identity: str
    # The key of `root_ca`, by which certificates are signed; empty: none are.
    signing_key: bytes = field(default=b"", repr=False)
    # PEM keys of service-account tokens, the one that signs first; none: no tokens for secrets.
    service_account_keys: Callable[[], Sequence[bytes]] = tuple
    leader_elect: bool = True
    lease_seconds: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0
    # Empty: nodes bring their own podCIDR, nothing is allocated.
    cluster_cidr: str = ""
    node_cidr_mask_size: int = 24
    terminated_pod_gc_threshold: int = 12500
    node_lifecycle: NodeLifecycleConfig = field(default_factory=NodeLifecycleConfig)
    storage: StorageConfig = StorageConfig()
    # Names of controllers that are not started; "" starts all.
    disabled: frozenset[str] = frozenset()
