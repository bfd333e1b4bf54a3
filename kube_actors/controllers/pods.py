"""Questions about a pod that several controllers ask, and the order in which pods are given up."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, condition, get_path, is_deleting, is_true, uid_of

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASE_ORDER = {"Pending": 0, "Unknown": 1, "Running": 2}


def phase_of(pod: Obj) -> str:
    return str(get_path(pod, "status", "phase", default=""))


def is_terminal(pod: Obj) -> bool:
    return phase_of(pod) in ("Succeeded", "Failed")


def is_active(pod: Obj) -> bool:
    """Neither finished nor being deleted."""
    return not is_terminal(pod) and not is_deleting(pod)


def is_terminating(pod: Obj) -> bool:
    """Being deleted, its containers perhaps still running."""
    return is_deleting(pod) and not is_terminal(pod)


def is_ready(pod: Obj) -> bool:
    return is_true(pod, "Ready")


def ready_since(pod: Obj) -> float | None:
    """When it became ready; None when it is not."""
    ready = condition(pod, "Ready")
    if ready is None or ready.get("status") != "True":
        return None
    since = ready.get("lastTransitionTime")
    return parse_rfc3339(since) if since else 0.0


def available_at(pod: Obj, min_ready_seconds: int) -> float | None:
    """The moment from which it counts as available; None while it is not ready."""
    since = ready_since(pod)
    return None if since is None else since + min_ready_seconds


def is_available(pod: Obj, min_ready_seconds: int, now: float) -> bool:
    """Ready for at least `min_ready_seconds`."""
    if min_ready_seconds == 0:
        return is_ready(pod)
    at = available_at(pod, min_ready_seconds)
    return at is not None and at <= now


def next_available_after(pods: Iterable[Obj], min_ready_seconds: int, now: float) -> float | None:
    """Seconds until the next ready pod becomes available; None when none is waiting."""
    if min_ready_seconds == 0:
        return None
    waits = [at - now for pod in pods if (at := available_at(pod, min_ready_seconds)) is not None and at > now]
    return min(waits, default=None)


def deletion_cost(pod: Obj) -> int:
    """The annotation's int32; 0 where it is missing or not one."""
    text = annotations_of(pod).get(DELETION_COST, "0")
    try:
        cost = int(text)
    except ValueError:
        return 0
    return cost if -(2**31) <= cost < 2**31 else 0


def restarts(pod: Obj) -> int:
    """The restarts of the container that restarted most."""
    statuses = get_path(pod, "status", "containerStatuses", default=[])
    return max((status.get("restartCount", 0) for status in statuses), default=0)


def in_deletion_order(pods: Sequence[Obj], ranks: Mapping[str, int], now: float) -> list[Obj]:
    """The pods, the first to be given up first, as Kubernetes' ActivePodsWithRanks orders them.

    Unassigned < assigned; Pending < Unknown < Running; not ready < ready; lower deletion cost first; more
    relatives on the node first (`ranks`, by uid); younger first, by powers of two of their age, so that a
    scale-down does not always hit the newest zone; more restarts first.
    """
    facts = {uid_of(pod): _Facts(pod, ranks.get(uid_of(pod), 0)) for pod in pods}

    def compare(one: Obj, other: Obj) -> int:
        return facts[uid_of(one)].compare(facts[uid_of(other)], now)

    return sorted(pods, key=functools.cmp_to_key(compare))


class _Facts:
    """What the order looks at, read once a pod."""

    __slots__ = ("created", "restarts", "since", "uid", "wanted")

    def __init__(self, pod: Obj, rank: int) -> None:
        assigned = bool(get_path(pod, "spec", "nodeName"))
        order = _PHASE_ORDER.get(phase_of(pod), 0)
        self.wanted = (assigned, order, is_ready(pod), deletion_cost(pod), -rank)
        self.since = ready_since(pod)
        self.restarts = restarts(pod)
        created = pod["metadata"].get("creationTimestamp")
        self.created = parse_rfc3339(created) if created else 0.0
        self.uid = uid_of(pod)

    def compare(self, other: _Facts, now: float) -> int:
        if self.wanted != other.wanted:
            return -1 if self.wanted < other.wanted else 1
        if self.since is not None and other.since is not None and self.since != other.since:
            return _by_age(self.since, other.since, now) or _by_text(self.uid, other.uid)
        if self.restarts != other.restarts:
            return -1 if self.restarts > other.restarts else 1
        if self.created != other.created:
            return _by_age(self.created, other.created, now) or _by_text(self.uid, other.uid)
        return _by_text(self.uid, other.uid)


def _by_age(one: float, other: float, now: float) -> int:
    """Below 0 when `one` is younger by a power of two."""
    return _magnitude(now - one) - _magnitude(now - other)


def _magnitude(age: float) -> int:
    return int(math.log2(age * 1e9)) if age > 0 else -1


def _by_text(one: str, other: str) -> int:
    return (one > other) - (one < other)
