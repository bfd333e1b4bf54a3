"""Which pods of a Job to create or to delete. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.resources import PODS
from kube_actors.controllers.actions import CreateObject
from kube_actors.controllers.job.backoff import Backoff, finished_at, remaining
from kube_actors.controllers.job.counting import Counted
from kube_actors.controllers.job.indexes import first_free, index_of
from kube_actors.controllers.job.pods import (
    absolute_failures,
    has_limit_per_index,
    is_indexed,
    is_suspended,
    new_pod,
    replaces_failed_only,
)
from kube_actors.controllers.pods import in_deletion_order
from kube_actors.controllers.replicaset.plan import BURST


@dataclass(frozen=True, slots=True)
class Change:
    """One of the first two is empty. `wait`: seconds until pods may be created."""

    create: tuple[CreateObject, ...] = ()
    delete: tuple[Obj, ...] = ()
    wait: float = 0.0


def plan_pods(counts: Counted, backoff: Backoff) -> Change:
    """Never more active pods than parallelism, nor than completions that are missing."""
    if is_suspended(counts.job):
        return Change(delete=tuple(_for_removal(counts, len(counts.active))))
    wanted = _wanted(counts)
    surplus = _for_removal(counts, max(len(counts.active) - wanted, 0))
    if surplus:
        return Change(delete=tuple(surplus[:BURST]))
    held = len(counts.terminating) if replaces_failed_only(counts.job) else 0
    missing = min(wanted - held - len(counts.active), BURST)
    if missing <= 0:
        return Change()
    if has_limit_per_index(counts.job):
        return _per_index(counts, missing)
    if (wait := backoff.remaining(counts.now)) > 0:
        return Change(wait=wait)
    if not is_indexed(counts.job):
        return Change(create=(CreateObject(PODS, new_pod(counts.job)),) * missing)
    return Change(create=_creations(counts, _free_indexes(counts, missing)))


def _wanted(counts: Counted) -> int:
    parallelism = int(counts.spec.get("parallelism", 1))
    if counts.completions is None:
        # One that succeeded says that the work is done: those that run finish, none is added.
        return len(counts.active) if counts.succeeded > 0 else parallelism
    return max(min(counts.completions - counts.succeeded, parallelism), 0)


def _free_indexes(counts: Counted, missing: int) -> list[int]:
    taken = {index for pod in counts.active if (index := index_of(pod)) is not None}
    if replaces_failed_only(counts.job):
        taken |= {index for pod in counts.terminating if (index := index_of(pod)) is not None}
    taken |= counts.succeeded_indexes | counts.failed_indexes
    return first_free(taken, missing, counts.completions or 0)


def _per_index(counts: Counted, missing: int) -> Change:
    """Each index waits for itself; where all wait, the shortest wait."""
    waits = {index: _index_wait(counts, index) for index in _free_indexes(counts, missing)}
    ready = [index for index, wait in waits.items() if wait == 0]
    if ready or not waits:
        return Change(create=_creations(counts, ready))
    return Change(wait=min(waits.values()))


def _index_wait(counts: Counted, index: int) -> float:
    pod = counts.delayed.get(index)
    return 0.0 if pod is None else remaining(absolute_failures(pod) + 1, finished_at(pod), counts.now)


def _creations(counts: Counted, indexes: Iterable[int]) -> tuple[CreateObject, ...]:
    return tuple(CreateObject(PODS, new_pod(counts.job, index, counts.delayed.get(index))) for index in indexes)


def _for_removal(counts: Counted, at_least: int) -> Sequence[Obj]:
    """Pods without a valid index and all but one of each index, then others in the order of deletion."""
    removed: list[Obj] = []
    left = list(counts.active)
    if is_indexed(counts.job):
        removed, left = _misplaced(counts)
    if len(removed) < at_least:
        removed += in_deletion_order(left, {}, counts.now)[: at_least - len(removed)]
    return removed


def _misplaced(counts: Counted) -> tuple[list[Obj], list[Obj]]:
    removed: list[Obj] = []
    left: list[Obj] = []
    by_index: dict[int, list[Obj]] = defaultdict(list)
    for pod in counts.active:
        index = index_of(pod)
        if index is None or index >= (counts.completions or 0):
            removed.append(pod)
        else:
            by_index[index].append(pod)
    for pods in by_index.values():
        ordered = in_deletion_order(pods, {}, counts.now)
        removed += ordered[:-1]
        left.append(ordered[-1])
    return removed, left
