"""The status of a Job around the removal of finalizers: what is noted before, what is counted after. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.meta import is_deleting, uid_of
from kube_actors.controllers.job import failure_policy
from kube_actors.controllers.job.conditions import (
    COMPLETE,
    FAILED,
    FAILURE_TARGET,
    SUCCESS_CRITERIA_MET,
    is_set,
    make,
    put,
)
from kube_actors.controllers.job.counting import Counted, uncounted
from kube_actors.controllers.job.indexes import index_of, to_text
from kube_actors.controllers.job.pods import has_limit_per_index, is_failed, is_indexed
from kube_actors.controllers.pods import phase_of

# Pods in status.uncountedTerminatedPods at a time: their uids stay below 20 KB.
MOST_UNCOUNTED = 500


@dataclass(frozen=True, slots=True)
class Noted:
    """`status`: to be written before `release`, the pods whose finalizers may go. `final`: the condition with
    which the Job ends once nothing is left to be counted; `cut`: more pods are to be counted than now."""

    status: Obj
    release: Sequence[Obj]
    final: Obj | None
    cut: bool


def note(counts: Counted, status: Obj, over: Obj | None) -> Noted:
    """Put finished pods among the uncounted. `status` is the one that this sync has made so far."""
    status = settle(status, _holding(counts))
    lists = {kind: uncounted(status, kind) for kind in ("succeeded", "failed")}
    known = {kind: set(uids) for kind, uids in lists.items()}
    done: set[int] = set()
    release: list[Obj] = []
    cut = False
    for pod in counts.pods:
        if not counts.tracked(pod) or not _may_go(counts, pod, over):
            continue
        release.append(pod)
        uid = uid_of(pod)
        if phase_of(pod) == "Succeeded" and uid not in known["failed"]:
            if is_indexed(counts.job):
                index = index_of(pod)
                if index is not None and index < (counts.completions or 0) and index not in counts.counted_indexes:
                    done.add(index)
            elif uid not in known["succeeded"]:
                lists["succeeded"].append(uid)
        elif _counts_as_failed(counts, pod, over) and uid not in known["failed"]:
            lists["failed"].append(uid)
        if len(done) + len(lists["succeeded"]) + len(lists["failed"]) >= MOST_UNCOUNTED:
            cut = True
            break
    status = _with_uncounted(status, lists)
    if is_indexed(counts.job):
        status = _with_indexes(counts, status, done)
    status, final = _announce(status, over, counts.now)
    return Noted(status, release, final, cut)


def settle(status: Obj, holding: Set[str]) -> Obj:
    """Move uncounted pods that hold no finalizer any more into the counters."""
    lists: dict[str, list[str]] = {}
    counters: Obj = {}
    for kind in ("succeeded", "failed"):
        before = uncounted(status, kind)
        lists[kind] = [uid for uid in before if uid in holding]
        if gone := len(before) - len(lists[kind]):
            counters[kind] = status.get(kind, 0) + gone
    return _with_uncounted(status | counters, lists)


def holding_after(counts: Counted, released: Iterable[str]) -> set[str]:
    """The uids of pods that still hold the finalizer once it was taken from `released`."""
    return _holding(counts) - set(released)


def finish(status: Obj, final: Obj | None, terminating: int) -> Obj | None:
    """The status of the Job that ended; None while something is still uncounted or still running out."""
    if final is None or terminating > 0 or uncounted(status, "succeeded") or uncounted(status, "failed"):
        return None
    ended = status | {"conditions": put(status.get("conditions") or [], final)}
    if final["type"] == COMPLETE:
        ended["completionTime"] = final["lastTransitionTime"]
    return ended


def _holding(counts: Counted) -> set[str]:
    return {uid_of(pod) for pod in counts.pods if counts.tracked(pod)}


def _may_go(counts: Counted, pod: Obj, over: Obj | None) -> bool:
    if is_deleting(counts.job) or over is not None or phase_of(pod) == "Succeeded":
        return True
    if not is_failed(pod, counts.job):
        return False
    index = index_of(pod)
    # It stays until the pod that takes its place carries on its count of failures.
    waits = has_limit_per_index(counts.job) and index is not None and counts.delayed.get(index) is not None
    return not (waits and uid_of(counts.delayed[index or 0]) == uid_of(pod))


def _counts_as_failed(counts: Counted, pod: Obj, over: Obj | None) -> bool:
    """A Job that failed counts every pod that it cut short."""
    lost = over is not None and over["type"] != SUCCESS_CRITERIA_MET
    if phase_of(pod) == "Succeeded" or not (is_failed(pod, counts.job) or lost):
        return False
    if is_indexed(counts.job):
        index = index_of(pod)
        if index is None or index >= (counts.completions or 0):
            return False
    return failure_policy.match(counts.spec.get("podFailurePolicy"), pod).counted


def _with_uncounted(status: Obj, lists: dict[str, list[str]]) -> Obj:
    return status | {"uncountedTerminatedPods": {kind: uids for kind, uids in lists.items() if uids}}


def _with_indexes(counts: Counted, status: Obj, done: Set[int]) -> Obj:
    indexes = counts.counted_indexes | done
    status = status | {"succeeded": len(indexes), "completedIndexes": to_text(indexes)}
    if has_limit_per_index(counts.job):
        status["failedIndexes"] = to_text(counts.failed_indexes)
    return status


def _announce(status: Obj, over: Obj | None, now: float) -> tuple[Obj, Obj | None]:
    """(status with the interim condition, the final condition): the end is told before the finalizers go."""
    if over is None:
        return status, None
    present = status.get("conditions") or []
    reason, message = over.get("reason", ""), over.get("message", "")
    if over["type"] == FAILURE_TARGET:
        return status | {"conditions": [*present, over]}, make(FAILED, "True", reason, message, now)
    if over["type"] == SUCCESS_CRITERIA_MET:
        if is_set(present, SUCCESS_CRITERIA_MET) is None:
            status = status | {"conditions": [*present, over]}
        return status, make(COMPLETE, "True", reason, message, now)
    return status, over
