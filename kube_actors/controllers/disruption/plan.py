"""The status of a PodDisruptionBudget. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import is_deleting, name_of, namespace_of
from kube_actors.controllers import conditions
from kube_actors.controllers.actions import WARNING, RecordEvent
from kube_actors.controllers.intstr import scaled
from kube_actors.controllers.pods import is_ready

ALLOWED = "DisruptionAllowed"
# A pod that was evicted and is still there after this time was not evicted after all.
DELETION_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Expected:
    """How many pods there should be, and how many of them healthy."""

    pods: int
    healthy: int


@dataclass(frozen=True, slots=True)
class Plan:
    status: Obj
    events: tuple[RecordEvent, ...] = ()
    look_again: float | None = None


def needs_scale(budget: Obj) -> bool:
    """Whether the budget is a share of what the pods' owners want, so that these have to be asked."""
    spec = budget["spec"]
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def expected(budget: Obj, pods: Sequence[Obj], scale: int) -> Expected:
    """`scale`: the pods that the owners want, where `needs_scale`. Percentages are rounded up."""
    spec = budget["spec"]
    if (most := spec.get("maxUnavailable")) is not None:
        return Expected(scale, max(scale - scaled(most, scale, round_up=True), 0))
    least = spec.get("minAvailable")
    if isinstance(least, str):
        return Expected(scale, scaled(least, scale, round_up=True))
    return Expected(len(pods), least or 0)


def plan(budget: Obj, pods: Sequence[Obj], wanted: Expected, now: float) -> Plan:
    """Healthy: ready, not being deleted, not evicted just now."""
    disrupted, events = _disrupted(budget, pods, now)
    healthy = sum(1 for pod in pods if not is_deleting(pod) and name_of(pod) not in disrupted and is_ready(pod))
    allowed = max(healthy - wanted.healthy, 0) if wanted.pods > 0 else 0
    status: Obj = {
        "observedGeneration": budget["metadata"].get("generation", 0),
        "currentHealthy": healthy,
        "desiredHealthy": wanted.healthy,
        "expectedPods": wanted.pods,
        "disruptionsAllowed": allowed,
    }
    if disrupted:
        status["disruptedPods"] = disrupted
    reason, value = ("SufficientPods", "True") if allowed > 0 else ("InsufficientPods", "False")
    status["conditions"] = _conditions(budget, value, reason, "", now)
    ends = [parse_rfc3339(since) + DELETION_SECONDS - now for since in disrupted.values()]
    return Plan(status, tuple(events), min(ends, default=None))


def plan_failure(budget: Obj, error: str, now: float) -> Obj:
    """The status of a budget that cannot be worked out: nothing may be evicted."""
    failed = _conditions(budget, "False", "SyncFailed", error, now)
    status = (budget.get("status") or {}) | {"disruptionsAllowed": 0, "conditions": failed}
    return status | {"observedGeneration": budget["metadata"].get("generation", 0)}


def _conditions(budget: Obj, value: str, reason: str, message: str, now: float) -> list[Obj]:
    present = (budget.get("status") or {}).get("conditions") or []
    generation = budget["metadata"].get("generation", 0)
    old = conditions.find(present, ALLOWED)
    new = conditions.make(ALLOWED, value, reason, message, now) | {"observedGeneration": generation}
    if old is not None and old.get("status") == value:
        new["lastTransitionTime"] = old.get("lastTransitionTime", new["lastTransitionTime"])
    return [*conditions.without(present, ALLOWED), new]


def _disrupted(budget: Obj, pods: Sequence[Obj], now: float) -> tuple[dict[str, str], list[RecordEvent]]:
    """Evicted pods whose deletion is still to come, and a word about those that stayed."""
    noted = (budget.get("status") or {}).get("disruptedPods") or {}
    kept: dict[str, str] = {}
    events: list[RecordEvent] = []
    for pod in pods:
        since = noted.get(name_of(pod))
        if since is None or is_deleting(pod):
            continue
        if parse_rfc3339(since) + DELETION_SECONDS < now:
            where = f"{namespace_of(budget)}/{name_of(budget)}"
            text = f"Pod was expected by PDB {where} to be deleted but it wasn't"
            events.append(RecordEvent(pod, WARNING, "NotDeleted", text))
        else:
            kept[name_of(pod)] = since
    return kept, events
