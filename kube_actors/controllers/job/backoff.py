"""How long to wait after failed pods before there are new ones. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import condition, get_path

FIRST = 10.0
LONGEST = 600.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Failures since the last success, and when the last one was."""

    failures: int = 0
    last: float = 0.0

    def after(self, succeeded: Iterable[Obj], failed: Iterable[Obj]) -> Backoff:
        """With pods that finished since; a success clears what was before it."""
        ends = [finished_at(pod) for pod in failed]
        successes = [finished_at(pod) for pod in succeeded]
        if not successes:
            return Backoff(self.failures + len(ends), max(ends)) if ends else self
        later = [end for end in ends if end > max(successes)]
        return Backoff(len(later), max(later)) if later else Backoff()

    def remaining(self, now: float) -> float:
        return remaining(self.failures, self.last, now)


def remaining(failures: int, last: float, now: float) -> float:
    """Seconds to wait: 10, doubled with each failure, at most ten minutes, from the last failure on."""
    if failures == 0:
        return 0.0
    delay = min(FIRST * 2.0 ** min(failures - 1, 16), LONGEST)
    return max(delay - (now - last), 0.0)


def finished_at(pod: Obj) -> float:
    """When the pod ended: its containers, its Ready=False, its deletion, in that order of trust."""
    ends = [
        get_path(status, "state", "terminated", "finishedAt")
        for status in get_path(pod, "status", "containerStatuses", default=[])
    ]
    if ends and all(ends):
        return max(map(parse_rfc3339, ends))
    ready = condition(pod, "Ready")
    if ready is not None and ready.get("status") == "False" and ready.get("lastTransitionTime"):
        return parse_rfc3339(ready["lastTransitionTime"])
    metadata = pod["metadata"]
    if metadata.get("deletionTimestamp"):
        return parse_rfc3339(metadata["deletionTimestamp"]) - float(metadata.get("deletionGracePeriodSeconds") or 0)
    return parse_rfc3339(metadata["creationTimestamp"]) if metadata.get("creationTimestamp") else 0.0
