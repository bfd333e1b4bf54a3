"""One step of a RollingUpdate. Pure: it changes drafts.

Two promises hold after every step: never more than replicas + maxSurge pods are asked for, and never does a
scale-down leave fewer than replicas - maxUnavailable pods available.

    replicas 10, maxSurge 3, maxUnavailable 2       old 10 (10 available)   new 0
    new up to 13 in total                            old 10                 new 3
    old down to 13 - 8 available - 3 not yet         old  8 (8 available)    new 3
    ... as new pods become available, old ones go
"""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.controllers.deployment.draft import Draft, crowd, sure, total


@dataclass(frozen=True, slots=True)
class Limits:
    """What a Deployment wants and allows, in pods."""

    replicas: int
    surge: int
    unavailable: int
    rolling: bool

    @property
    def maximum(self) -> int:
        return self.replicas + self.surge

    @property
    def minimum_available(self) -> int:
        return self.replicas - self.unavailable


def new_size(limits: Limits, new: Draft, everyone: list[Draft]) -> int:
    """What the new ReplicaSet may be scaled to now."""
    if not limits.rolling:
        return limits.replicas
    # Kubernetes counts what is asked for alone, so that pods of two ReplicaSets may exceed the maximum for the
    # moment in which one has not given up its pods yet. Waiting for its status keeps the promise to the letter.
    room = limits.maximum - crowd(everyone)
    if room <= 0 or any(draft.shrinking for draft in everyone if draft is not new):
        return new.replicas
    return new.replicas + min(room, limits.replicas - new.replicas)


def scale_new(limits: Limits, new: Draft, everyone: list[Draft]) -> bool:
    """Bring the new ReplicaSet nearer to the Deployment's size; True where that changed it."""
    before = new.replicas
    if new.replicas > limits.replicas:
        new.replicas = limits.replicas
    elif new.replicas < limits.replicas:
        new.replicas = new_size(limits, new, everyone)
    return new.replicas != before


def scale_old(limits: Limits, new: Draft, old: list[Draft]) -> bool:
    """Take away what old ReplicaSets may lose now: the unhealthy first, then the available above the promise."""
    if total(old) == 0:
        return False
    everyone = [*old, new]
    # New pods that are not available yet must not count: they may never be.
    coming = max(new.replicas - new.sure, 0)
    budget = total(everyone) - limits.minimum_available - coming
    if budget <= 0:
        return False
    removed = _drop_unhealthy(old, budget)
    return _drop_available(limits, old, everyone) + removed > 0


def _drop_unhealthy(old: list[Draft], budget: int) -> int:
    removed = 0
    for draft in sorted(old, key=lambda draft: draft.age_order):
        if removed >= budget:
            break
        # An oldest-first order and this bound: only pods that are not available are given up here.
        drop = min(budget - removed, max(draft.replicas - draft.sure, 0))
        draft.replicas -= drop
        removed += drop
    return removed


def _drop_available(limits: Limits, old: list[Draft], everyone: list[Draft]) -> int:
    budget = sure(everyone) - limits.minimum_available
    removed = 0
    for draft in sorted(old, key=lambda draft: draft.age_order):
        if removed >= budget:
            break
        drop = min(draft.replicas, budget - removed)
        draft.replicas -= drop
        removed += drop
    return removed
