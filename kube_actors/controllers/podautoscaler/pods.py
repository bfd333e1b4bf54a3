"""Which pods count for an average, and which are guessed at. Pure.

A pod that has just started uses the processor as none that serves does, and one without metrics uses nobody knows
what; neither may make the autoscaler move further than the other pods justify.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import condition, get_path, is_deleting, name_of

# --horizontal-pod-autoscaler-cpu-initialization-period and -initial-readiness-delay.
CPU_INITIALIZATION_SECONDS = 300.0
INITIAL_READINESS_SECONDS = 30.0
CPU = "cpu"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a pod used, in thousandths, over `window` seconds that ended at `at`."""

    value: int
    at: float
    window: float


@dataclass(frozen=True, slots=True)
class Groups:
    """Names of pods. `ready` counts those with metrics that are taken as they are."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


def group(pods: Iterable[Obj], samples: Mapping[str, Sample], resource: str, now: float) -> Groups:
    """Sort pods by what their metrics are worth."""
    ready = 0
    unready: set[str] = set()
    missing: set[str] = set()
    ignored: set[str] = set()
    for pod in pods:
        name, phase = name_of(pod), get_path(pod, "status", "phase")
        if is_deleting(pod) or phase == "Failed":
            ignored.add(name)
        elif phase == "Pending":
            unready.add(name)
        elif name not in samples:
            missing.add(name)
        elif resource == CPU and _is_starting(pod, samples[name], now):
            unready.add(name)
        else:
            ready += 1
    return Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def _is_starting(pod: Obj, sample: Sample, now: float) -> bool:
    ready, started = condition(pod, "Ready"), get_path(pod, "status", "startTime")
    if ready is None or not started or not ready.get("lastTransitionTime"):
        return True
    since, start = parse_rfc3339(ready["lastTransitionTime"]), parse_rfc3339(started)
    if start + CPU_INITIALIZATION_SECONDS > now:
        # Its sample has to lie after the time at which it became ready.
        return ready.get("status") == "False" or sample.at < since + sample.window
    return ready.get("status") == "False" and start + INITIAL_READINESS_SECONDS > since
