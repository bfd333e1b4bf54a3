"""What holds a recommendation back: stabilization windows, rates, minimum and maximum. Pure.

Without spec.behavior the classic rules apply: down only to the highest recommendation of five minutes, up to twice
as many (or four) at a time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from kube_actors.api import Obj

# --horizontal-pod-autoscaler-downscale-stabilization.
DOWNSCALE_STABILIZATION = 300.0
CLASSIC_FACTOR, CLASSIC_MINIMUM = 2, 4


@dataclass(frozen=True, slots=True)
class Change:
    """Replicas added or removed at a time."""

    by: int
    at: float


@dataclass(slots=True)
class History:
    """What is remembered of one autoscaler, in memory alone, as in Kubernetes."""

    recommendations: list[tuple[float, int]] = field(default_factory=list)
    ups: list[Change] = field(default_factory=list)
    downs: list[Change] = field(default_factory=list)

    def record(self, old: int, new: int, now: float, behavior: Obj) -> None:
        """Remember a change of the scale for as long as a policy may ask for it."""
        if new > old:
            self.ups = [*_within(self.ups, now, _longest_period(behavior.get("scaleUp"))), Change(new - old, now)]
        elif new < old:
            self.downs = [*_within(self.downs, now, _longest_period(behavior.get("scaleDown"))), Change(old - new, now)]


@dataclass(frozen=True, slots=True)
class Limited:
    """The number that is allowed, and for the conditions AbleToScale and ScalingLimited their reason and message."""

    replicas: int
    stabilized: tuple[str, str] | None
    limited: tuple[bool, str, str]


WITHIN = (False, "DesiredWithinRange", "the desired count is within the acceptable range")
TOO_MANY = (True, "TooManyReplicas", "the desired replica count is more than the maximum replica count")
TOO_FEW = (True, "TooFewReplicas", "the desired replica count is less than the minimum replica count")
ZERO = (True, "TooFewReplicas", "the desired replica count is zero")
UP_LIMIT = (True, "ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
DOWN_LIMIT = (True, "ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
HIGHER = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
LOWER = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)


def limit(spec: Obj, history: History, current: int, wanted: int, now: float) -> Limited:
    """The replicas for a recommendation of `wanted`; remembers the recommendation in `history`."""
    behavior = spec.get("behavior")
    low, high = int(spec.get("minReplicas", 1)), int(spec["maxReplicas"])
    if behavior is None:
        stable, why = _stabilize(history, current, wanted, now, 0.0, DOWNSCALE_STABILIZATION)
        return Limited(*_classic(current, stable, low, high, why))
    up_window = float((behavior.get("scaleUp") or {}).get("stabilizationWindowSeconds") or 0)
    down = (behavior.get("scaleDown") or {}).get("stabilizationWindowSeconds")
    down_window = DOWNSCALE_STABILIZATION if down is None else float(down)
    stable, why = _stabilize(history, current, wanted, now, up_window, down_window)
    return Limited(*_by_rates(behavior, history, current, stable, low, high, now, why))


Outcome = tuple[int, tuple[str, str] | None, tuple[bool, str, str]]


def _stabilize(
    history: History, current: int, wanted: int, now: float, up_window: float, down_window: float
) -> tuple[int, tuple[str, str] | None]:
    """Up only to the lowest, down only to the highest recommendation of the window."""
    longest = max(up_window, down_window)
    kept = [(at, number) for at, number in history.recommendations if at > now - longest]
    up = min([wanted, *(number for at, number in kept if at > now - up_window)])
    down = max([wanted, *(number for at, number in kept if at > now - down_window)])
    history.recommendations = [*kept, (now, wanted)]
    stable = up if current < up else down if current > down else current
    if stable == wanted:
        return stable, None
    return stable, HIGHER if stable > wanted else LOWER


def _classic(current: int, wanted: int, low: int, high: int, why: tuple[str, str] | None) -> Outcome:
    fastest = max(CLASSIC_FACTOR * current, CLASSIC_MINIMUM)
    ceiling, over = (fastest, UP_LIMIT) if high > fastest else (high, TOO_MANY)
    if wanted < low:
        return low, why, TOO_FEW
    if wanted > ceiling:
        return ceiling, why, over
    return wanted, why, WITHIN


def _by_rates(
    behavior: Obj,
    history: History,
    current: int,
    wanted: int,
    low: int,
    high: int,
    now: float,
    why: tuple[str, str] | None,
) -> Outcome:
    if wanted > current:
        fastest = max(_up_limit(current, history, behavior.get("scaleUp") or {}, now), current)
        ceiling, over = (fastest, UP_LIMIT) if high > fastest else (high, TOO_MANY)
        return (ceiling, why, over) if wanted > ceiling else (wanted, why, WITHIN)
    if wanted < current:
        slowest = min(_down_limit(current, history, behavior.get("scaleDown") or {}, now), current)
        floor, under = (slowest, DOWN_LIMIT) if low < slowest else (low, TOO_FEW)
        return (floor, why, under) if wanted < floor else (wanted, why, WITHIN)
    return wanted, why, WITHIN


def _up_limit(current: int, history: History, rules: Obj, now: float) -> int:
    if rules.get("selectPolicy") == "Disabled":
        return current
    found = []
    for policy in rules.get("policies") or ():
        start = _at_start(policy, current, history, now)
        grown = start + policy["value"] if policy["type"] == "Pods" else math.ceil(start * (1 + policy["value"] / 100))
        found.append(int(grown))
    return (min if rules.get("selectPolicy") == "Min" else max)(found, default=current)


def _down_limit(current: int, history: History, rules: Obj, now: float) -> int:
    if rules.get("selectPolicy") == "Disabled":
        return current
    found = []
    for policy in rules.get("policies") or ():
        start = _at_start(policy, current, history, now)
        shrunk = start - policy["value"] if policy["type"] == "Pods" else int(start * (1 - policy["value"] / 100))
        found.append(int(shrunk))
    # The policy that allows the largest change is the one with the smallest limit.
    return (max if rules.get("selectPolicy") == "Min" else min)(found, default=current)


def _at_start(policy: Obj, current: int, history: History, now: float) -> int:
    """The replicas that there were when the policy's period began."""
    period = float(policy["periodSeconds"])
    return current - _sum(history.ups, now, period) + _sum(history.downs, now, period)


def _sum(changes: Sequence[Change], now: float, period: float) -> int:
    return sum(change.by for change in _within(changes, now, period))


def _within(changes: Sequence[Change], now: float, period: float) -> list[Change]:
    return [change for change in changes if change.at > now - period]


def _longest_period(rules: Obj | None) -> float:
    return max((float(policy["periodSeconds"]) for policy in (rules or {}).get("policies") or ()), default=0.0)
