"""How fast silent nodes may be given up. Pure.

A node that fails alone is given up at once. When most of a zone fails it is more likely that the zone's
network, or this controller's, is at fault: eviction slows down, and where no node of any zone is well, it
stops altogether.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from kube_actors.api import Obj
from kube_actors.api.meta import is_true, labels_of
from kube_actors.controllers.config import NodeLifecycleConfig


class Zone(Enum):
    NORMAL = "Normal"
    PARTIAL = "PartialDisruption"
    FULL = "FullDisruption"


def zone_of(node: Obj) -> str:
    """`region:\\x00:zone`, as component-helpers names it; empty for a node without topology labels."""
    labels = labels_of(node)
    region, zone = labels.get("topology.kubernetes.io/region", ""), labels.get("topology.kubernetes.io/zone", "")
    return f"{region}:\x00:{zone}" if region or zone else ""


def states(nodes: Iterable[Obj], config: NodeLifecycleConfig) -> dict[str, Zone]:
    """The state of each zone, and of the whole by Kubernetes' thresholds."""
    ready: dict[str, int] = {}
    not_ready: dict[str, int] = {}
    for node in nodes:
        counted = ready if is_true(node, "Ready") else not_ready
        counted[zone_of(node)] = counted.get(zone_of(node), 0) + 1
    return {
        zone: _state(ready.get(zone, 0), not_ready.get(zone, 0), config) for zone in ready.keys() | not_ready.keys()
    }


def _state(ready: int, not_ready: int, config: NodeLifecycleConfig) -> Zone:
    if ready == 0 and not_ready > 0:
        return Zone.FULL
    if not_ready > 2 and not_ready / (not_ready + ready) >= config.unhealthy_zone_threshold:
        return Zone.PARTIAL
    return Zone.NORMAL


def rate(state: Zone, size: int, everywhere: Mapping[str, Zone], config: NodeLifecycleConfig) -> float:
    """Nodes a second that a zone may lose to NoExecute taints; 0 for none."""
    if everywhere and all(each is Zone.FULL for each in everywhere.values()):
        return 0.0
    if state is Zone.PARTIAL:
        # A small zone that is mostly gone proves nothing either way.
        return config.secondary_eviction_rate if size > config.large_zone_size else 0.0
    return config.eviction_rate


@dataclass(slots=True)
class Bucket:
    """One token, refilled at a rate."""

    tokens: float = 1.0
    filled_at: float | None = None

    def take(self, rate: float, now: float) -> bool:
        """Whether one more may go now."""
        if self.filled_at is not None:
            self.tokens = min(1.0, self.tokens + (now - self.filled_at) * rate)
        self.filled_at = now
        if rate <= 0 or self.tokens < 1.0 - 1e-9:
            return False
        self.tokens -= 1.0
        return True
