"""What is known of a node's health. Pure: heartbeats and the time in, conditions out.

The node's clock is not trusted. What counts is when this controller, by its own clock, last saw the node's
lease or its Ready heartbeat change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import condition, get_path
from kube_actors.controllers import conditions

READY = "Ready"
# What turns Unknown besides when nobody posts any more.
OTHERS = ("MemoryPressure", "DiskPressure", "PIDPressure")


@dataclass(frozen=True, slots=True)
class Health:
    """The last sign of life, and when it was seen."""

    renewed: str
    heartbeat: str
    status: str | None
    seen_at: float
    changed_at: float


def observe(before: Health | None, node: Obj, lease: Obj | None, now: float) -> Health:
    """Compare what is there with what was seen before."""
    renewed = str(get_path(lease, "spec", "renewTime", default=""))
    ready = condition(node, READY)
    heartbeat = str((ready or {}).get("lastHeartbeatTime") or "")
    status = (ready or {}).get("status")
    if before is None:
        return Health(renewed, heartbeat, status, now, now)
    alive = renewed != before.renewed or heartbeat != before.heartbeat
    changed_at = before.changed_at if status == before.status else now
    seen_at = now if alive or (ready is not None and before.status is None) else before.seen_at
    return replace(before, renewed=renewed, heartbeat=heartbeat, status=status, seen_at=seen_at, changed_at=changed_at)


def is_silent(health: Health, node: Obj, grace: float, startup_grace: float, now: float) -> bool:
    """Whether it did not show a sign of life for its grace period; one that never did has the startup's."""
    never = condition(node, READY) is None
    return now - health.seen_at > (startup_grace if never else grace)


def unknown_conditions(node: Obj, now: float) -> list[Obj]:
    """The node's conditions with what nobody vouches for any more as Unknown."""
    present: list[Obj] = get_path(node, "status", "conditions", default=[])
    for kind in (READY, *OTHERS):
        old = conditions.find(present, kind)
        if old is None:
            created = node["metadata"].get("creationTimestamp") or rfc3339(now)
            new = _unknown(kind, "NodeStatusNeverUpdated", "Kubelet never posted node status.", now)
            present = [*present, new | {"lastHeartbeatTime": created}]
        elif old.get("status") != "Unknown":
            new = _unknown(kind, "NodeStatusUnknown", "Kubelet stopped posting node status.", now)
            new["lastHeartbeatTime"] = old.get("lastHeartbeatTime")
            present = [new if each is old else each for each in present]
    return present


def _unknown(kind: str, reason: str, message: str, now: float) -> Obj:
    return {
        "type": kind,
        "status": "Unknown",
        "reason": reason,
        "message": message,
        "lastTransitionTime": rfc3339(now),
    }
