"""Values that are a number or a percentage, and the rounding of a rollout's limits."""

from __future__ import annotations

import math

from kube_actors.api import Obj
from kube_actors.api.meta import get_path


def scaled(value: int | str | None, total: int, *, round_up: bool) -> int:
    """`value` as a number: itself, or that percentage of `total`. Raises ValueError for any other text."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        raise ValueError(f"invalid value for IntOrString: {value!r} is not a percentage")
    share = int(value[:-1]) * total / 100
    return math.ceil(share) if round_up else math.floor(share)


def fenceposts(max_surge: int | str | None, max_unavailable: int | str | None, desired: int) -> tuple[int, int]:
    """(surge rounded up, unavailable rounded down). Never both 0, or a rollout could not move."""
    surge = scaled(max_surge, desired, round_up=True)
    unavailable = scaled(max_unavailable, desired, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, unavailable


def rolling_limits(deployment: Obj) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) of a Deployment in pods; zero both for another strategy than RollingUpdate."""
    spec = deployment["spec"]
    if get_path(spec, "strategy", "type", default="RollingUpdate") != "RollingUpdate":
        return 0, 0
    rolling = get_path(spec, "strategy", "rollingUpdate", default={})
    replicas = spec.get("replicas", 1)
    surge, unavailable = fenceposts(rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%"), replicas)
    return surge, min(unavailable, replicas)
