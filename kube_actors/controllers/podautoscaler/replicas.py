"""How many replicas one metric asks for. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kube_actors.controllers.podautoscaler.pods import Groups, Sample

NO_METRICS = "did not receive metrics for targeted pods (pods might be unready)"
# --horizontal-pod-autoscaler-tolerance.
TOLERANCE = 0.1


class NoAnswer(Exception):
    """The metric says no number; the text is that of the condition."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a ratio may be from 1 before it counts (behavior.scaleUp.tolerance, scaleDown.tolerance)."""

    up: float = TOLERANCE
    down: float = TOLERANCE

    def allows(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class Answer:
    """`average` is a pod's, in thousandths; `utilization` percent of the requests."""

    replicas: int
    average: int
    utilization: int | None = None


def by_utilization(
    current: int,
    target: int,
    samples: Mapping[str, Sample],
    requests: Mapping[str, int],
    groups: Groups,
    tolerance: Tolerance,
) -> Answer:
    """For a target in percent of what the pods request. Raises NoAnswer."""
    values = _counted(samples, groups)
    if not values:
        raise NoAnswer(NO_METRICS)
    ratio, percent = _utilization(values, requests, target)
    average = sum(values.values()) // len(values)

    def again(filled: Mapping[str, int]) -> float:
        return _utilization(filled, requests, target)[0]

    guess = {name: requests.get(name, 0) * max(100, target) // 100 for name in groups.missing}
    return Answer(_replicas(current, ratio, values, guess, groups, tolerance, again), average, percent)


def by_average(
    current: int, target: int, samples: Mapping[str, Sample], groups: Groups, tolerance: Tolerance
) -> Answer:
    """For a target as a value a pod, in thousandths. Raises NoAnswer."""
    values = _counted(samples, groups)
    if not values:
        raise NoAnswer(NO_METRICS)

    def ratio_of(filled: Mapping[str, int]) -> float:
        return (sum(filled.values()) // len(filled)) / target

    guess = dict.fromkeys(groups.missing, target)
    replicas = _replicas(current, ratio_of(values), values, guess, groups, tolerance, ratio_of)
    return Answer(replicas, sum(values.values()) // len(values))


def by_value(current: int, ready: int, target: int, value: int, tolerance: Tolerance) -> int:
    """For a target as the value of one thing besides the pods: their number follows its ratio."""
    ratio = value / target
    if current == 0:
        return math.ceil(ratio)
    return current if tolerance.allows(ratio) else math.ceil(ratio * ready)


def by_share(current: int, target: int, value: int, tolerance: Tolerance) -> Answer:
    """For a target as each pod's share of one value."""
    replicas = current
    ratio = value / (target * current) if current else math.inf
    if not tolerance.allows(ratio):
        replicas = math.ceil(value / target)
    return Answer(replicas, math.ceil(value / current) if current else 0)


def _counted(samples: Mapping[str, Sample], groups: Groups) -> dict[str, int]:
    left_out = groups.ignored | groups.unready
    return {name: sample.value for name, sample in samples.items() if name not in left_out}


def _utilization(values: Mapping[str, int], requests: Mapping[str, int], target: int) -> tuple[float, int]:
    asked = sum(requests.get(name, 0) for name in values)
    if not asked:
        raise NoAnswer("no metrics returned matched known pods")
    percent = sum(values.values()) * 100 // asked
    return percent / target, percent


def _replicas(
    current: int,
    ratio: float,
    values: dict[str, int],
    guess_for_missing: Mapping[str, int],
    groups: Groups,
    tolerance: Tolerance,
    ratio_of: Callable[[Mapping[str, int]], float],
) -> int:
    fill_unready = bool(groups.unready) and ratio > 1.0
    if not fill_unready and not groups.missing:
        return current if tolerance.allows(ratio) else math.ceil(ratio * groups.ready)
    filled = dict(values)
    if groups.missing:
        # Going down they count as busy as can be, going up as idle: whatever slows the move.
        filled |= guess_for_missing if ratio < 1.0 else dict.fromkeys(groups.missing, 0)
    if fill_unready:
        filled |= dict.fromkeys(groups.unready, 0)
    new = ratio_of(filled)
    if tolerance.allows(new) or (ratio < 1.0 < new) or (ratio > 1.0 > new):
        return current
    wanted = math.ceil(new * len(filled))
    turned = (new < 1.0 and wanted > current) or (new > 1.0 and wanted < current)
    return current if turned else wanted
