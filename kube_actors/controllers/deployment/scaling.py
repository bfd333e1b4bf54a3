"""Scaling a Deployment that may be in the middle of a rollout: ReplicaSets grow and shrink in proportion. Pure."""

from __future__ import annotations

import math

from kube_actors.controllers.deployment.draft import DESIRED, MAXIMUM, Draft, active, total
from kube_actors.controllers.deployment.rolling import Limits


def is_scaling(limits: Limits, drafts: list[Draft]) -> bool:
    """Whether spec.replicas changed since the ReplicaSets were last sized."""
    return any((noted := draft.number(DESIRED)) is not None and noted != limits.replicas for draft in active(drafts))


def scale(limits: Limits, new: Draft | None, old: list[Draft], status_replicas: int) -> None:
    """Resize for a new spec.replicas (or while paused), without moving the rollout itself on."""
    only = _active_or_latest(new, old)
    if only is not None:
        if only.replicas != limits.replicas:
            _resize(limits, only, limits.replicas)
        return
    if new is not None and _is_saturated(limits, new):
        for draft in active(old):
            _resize(limits, draft, 0)
        return
    if limits.rolling:
        _scale_in_proportion(limits, active([*old, *([new] if new else [])]), status_replicas)


def _active_or_latest(new: Draft | None, old: list[Draft]) -> Draft | None:
    """The only one with pods; without any, the newest. None where several have pods."""
    with_pods = active([*old, *([new] if new else [])])
    if len(with_pods) == 1:
        return with_pods[0]
    if with_pods:
        return None
    if new is not None:
        return new
    return max(old, key=lambda draft: draft.age_order, default=None)


def _is_saturated(limits: Limits, new: Draft) -> bool:
    """Whether the rollout is over but for what is left of the old pods."""
    desired = new.number(DESIRED)
    return desired == limits.replicas and new.replicas == limits.replicas and new.available == limits.replicas


def _scale_in_proportion(limits: Limits, drafts: list[Draft], status_replicas: int) -> None:
    """Spread the difference over the ReplicaSets by their size; what rounding leaves goes to the largest.

    10 replicas (surge 3): sizes 8 + 5, scaled to 30: 13 -> 33, so 20 to add: 8 * 33/13 = 20, 5 * 33/13 = 13.
    """
    allowed = limits.maximum if limits.replicas > 0 else 0
    to_add = allowed - total(drafts)
    # The larger first; of equals the newer when growing, the older when shrinking.
    newest_first = sorted(drafts, key=lambda draft: draft.age_order, reverse=to_add > 0)
    ordered = sorted(newest_first, key=lambda draft: -draft.replicas)
    added = 0
    sizes: list[int] = []
    for draft in ordered:
        share = _share(limits, draft, to_add, added, status_replicas)
        sizes.append(draft.replicas + share)
        added += share
    if sizes and to_add:
        sizes[0] = max(sizes[0] + to_add - added, 0)
    for draft, size in zip(ordered, sizes, strict=True):
        _resize(limits, draft, size)


def _share(limits: Limits, draft: Draft, to_add: int, added: int, status_replicas: int) -> int:
    if draft.replicas == 0 or to_add in (0, added):
        return 0
    share = _fraction(limits, draft, status_replicas)
    rest = to_add - added
    # Rounded shares may add up to more than there is; none takes more than the rest.
    return min(share, rest) if to_add > 0 else max(share, rest)


def _fraction(limits: Limits, draft: Draft, status_replicas: int) -> int:
    """How much the ReplicaSet grows when the whole grows from its noted maximum to the present one."""
    if limits.replicas == 0:
        return -draft.replicas
    before = draft.number(MAXIMUM) or status_replicas
    if before == 0:
        return 0
    return _round(draft.replicas * limits.maximum / before) - draft.replicas


def _round(value: float) -> int:
    """Half away from zero, as Go rounds."""
    return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)


def _resize(limits: Limits, draft: Draft, size: int) -> None:
    draft.replicas = size
    draft.note_size(limits.replicas, limits.maximum)
