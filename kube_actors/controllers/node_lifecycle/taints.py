"""The taints that follow from a node's conditions. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import condition

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "NoExecute"

# condition: {its status: the taint}
_BY_CONDITION = {
    "Ready": {"False": NOT_READY, "Unknown": UNREACHABLE},
    "MemoryPressure": {"True": "node.kubernetes.io/memory-pressure"},
    "DiskPressure": {"True": "node.kubernetes.io/disk-pressure"},
    "NetworkUnavailable": {"True": "node.kubernetes.io/network-unavailable"},
    "PIDPressure": {"True": "node.kubernetes.io/pid-pressure"},
}
_OURS = frozenset(taint for by_status in _BY_CONDITION.values() for taint in by_status.values()) | {UNSCHEDULABLE}


def taints_of(node: Obj) -> list[Obj]:
    return list(node["spec"].get("taints") or ())


def health_taint(node: Obj) -> str | None:
    """The key of the taint that the Ready condition asks for; None for a node that is ready, or says nothing."""
    ready = condition(node, "Ready")
    return None if ready is None else _BY_CONDITION["Ready"].get(str(ready.get("status")))


def no_schedule(node: Obj, now: float) -> list[Obj]:
    """All taints, with the NoSchedule ones as conditions and spec.unschedulable say."""
    wanted = set()
    for kind, by_status in _BY_CONDITION.items():
        found = condition(node, kind)
        if found is not None and (key := by_status.get(str(found.get("status")))) is not None:
            wanted.add(key)
    if node["spec"].get("unschedulable"):
        wanted.add(UNSCHEDULABLE)
    kept = [each for each in taints_of(node) if not _is(each, NO_SCHEDULE, _OURS) or each["key"] in wanted]
    present = {each["key"] for each in kept if each.get("effect") == NO_SCHEDULE}
    return kept + [_taint(key, NO_SCHEDULE, now) for key in sorted(wanted - present)]


def no_execute(node: Obj, key: str | None, now: float) -> list[Obj]:
    """All taints, with `key` as the only one of the NoExecute taints of health; None takes both away.

    A taint that is there keeps its timeAdded, from which tolerationSeconds count.
    """
    others = [each for each in taints_of(node) if not _is(each, NO_EXECUTE, (NOT_READY, UNREACHABLE))]
    mine = [each for each in taints_of(node) if _is(each, NO_EXECUTE, (key,))]
    if key is None:
        return others
    return others + (mine[:1] or [_taint(key, NO_EXECUTE, now)])


def _taint(key: str, effect: str, now: float) -> Obj:
    return {"key": key, "effect": effect, "timeAdded": rfc3339(now)}


def _is(taint: Obj, effect: str, keys: Iterable[str | None]) -> bool:
    return taint.get("effect") == effect and taint.get("key") in keys
