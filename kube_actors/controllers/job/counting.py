"""What a Job's status and its pods say together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, uid_of
from kube_actors.controllers.job import failure_policy
from kube_actors.controllers.job.backoff import finished_at
from kube_actors.controllers.job.indexes import index_of, parse
from kube_actors.controllers.job.pods import (
    FAILURES,
    absolute_failures,
    has_finalizer,
    has_limit_per_index,
    is_failed,
    is_indexed,
    number,
)
from kube_actors.controllers.pods import is_active, is_terminating, phase_of


@dataclass(frozen=True, slots=True)
class View:
    """What one sync sees. `released`: uids of pods whose finalizer was taken away and whose event is on its way."""

    job: Obj
    pods: Sequence[Obj]
    now: float
    released: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts of one sync. `succeeded` and `failed` include what the status does not count yet."""

    job: Obj
    pods: Sequence[Obj]
    now: float
    released: frozenset[str]
    active: Sequence[Obj]
    terminating: Sequence[Obj]
    new_succeeded: Sequence[Obj]
    new_failed: Sequence[Obj]
    succeeded: int
    failed: int
    counted_indexes: frozenset[int] = frozenset()
    succeeded_indexes: frozenset[int] = frozenset()
    failed_indexes: frozenset[int] = frozenset()
    # By index, the failed pod that stays until its replacement has taken over its count of failures.
    delayed: Mapping[int, Obj] = field(default_factory=dict)

    @property
    def spec(self) -> Obj:
        spec: Obj = self.job["spec"]
        return spec

    @property
    def completions(self) -> int | None:
        return self.spec.get("completions")

    def tracked(self, pod: Obj) -> bool:
        """Whether it is still to be counted."""
        return has_finalizer(pod) and uid_of(pod) not in self.released


def uncounted(status: Obj, kind: str) -> list[str]:
    return list(get_path(status, "uncountedTerminatedPods", kind, default=[]))


def count(view: View) -> Counted:
    job, status = view.job, view.job.get("status") or {}
    tracked = [pod for pod in view.pods if has_finalizer(pod) and uid_of(pod) not in view.released]
    valid = [pod for pod in tracked if not is_indexed(job) or _valid_index(job, pod) is not None]
    listed = {kind: set(uncounted(status, kind)) for kind in ("succeeded", "failed")}
    succeeded = [pod for pod in valid if phase_of(pod) == "Succeeded" and uid_of(pod) not in listed["succeeded"]]
    failed = [pod for pod in valid if is_failed(pod, job) and uid_of(pod) not in listed["failed"]]
    policy = job["spec"].get("podFailurePolicy")
    heavy = [pod for pod in failed if failure_policy.match(policy, pod).counted]
    counts = Counted(
        job=job,
        pods=view.pods,
        now=view.now,
        released=view.released,
        active=[pod for pod in view.pods if is_active(pod)],
        terminating=[pod for pod in view.pods if is_terminating(pod)],
        new_succeeded=succeeded,
        new_failed=failed,
        succeeded=status.get("succeeded", 0) + len(succeeded) + len(listed["succeeded"]),
        failed=status.get("failed", 0) + len(heavy) + len(listed["failed"]),
    )
    return _with_indexes(counts, valid) if is_indexed(job) else counts


def _with_indexes(counts: Counted, valid: Iterable[Obj]) -> Counted:
    job, status = counts.job, counts.job.get("status") or {}
    completions = counts.completions or 0
    before = parse(status.get("completedIndexes"), completions)
    # Pods of a completed index that are listed twice count once: the index is what is counted.
    having = [pod for pod in counts.pods if has_finalizer(pod)]
    done = before | {index for pod in having if phase_of(pod) == "Succeeded" for index in _indexes(job, pod)}
    lost: frozenset[int] = frozenset()
    delayed: dict[int, Obj] = {}
    if has_limit_per_index(job):
        new = {index for pod in having if _index_failed(job, pod) for index in _indexes(job, pod)}
        lost = parse(status.get("failedIndexes"), completions) | new
        active = {index for pod in counts.active for index in _indexes(job, pod)}
        delayed = _delayed(job, valid, done | lost | active)
    return Counted(
        job=job,
        pods=sorted(counts.pods, key=lambda pod: -1 if (index := index_of(pod)) is None else index),
        now=counts.now,
        released=counts.released,
        active=counts.active,
        terminating=counts.terminating,
        new_succeeded=counts.new_succeeded,
        new_failed=counts.new_failed,
        succeeded=len(done),
        failed=counts.failed,
        counted_indexes=before,
        succeeded_indexes=frozenset(done),
        failed_indexes=frozenset(lost),
        delayed=delayed,
    )


def _valid_index(job: Obj, pod: Obj) -> int | None:
    index = index_of(pod)
    return index if index is not None and index < job["spec"].get("completions", 0) else None


def _indexes(job: Obj, pod: Obj) -> tuple[int, ...]:
    index = _valid_index(job, pod)
    return () if index is None else (index,)


def _index_failed(job: Obj, pod: Obj) -> bool:
    if not is_failed(pod, job):
        return False
    match = failure_policy.match(job["spec"].get("podFailurePolicy"), pod)
    if match.action == failure_policy.FAIL_INDEX:
        return True
    return match.counted and number(pod, FAILURES) >= job["spec"]["backoffLimitPerIndex"]


def _delayed(job: Obj, valid: Iterable[Obj], settled: set[int] | frozenset[int]) -> dict[int, Obj]:
    """The last failed pod of each index that is to be tried again."""
    found: dict[int, Obj] = {}
    for pod in valid:
        index = _valid_index(job, pod)
        if index is None or index in settled or not is_failed(pod, job):
            continue
        last = found.get(index)
        if last is None or (
            absolute_failures(last) <= absolute_failures(pod) and finished_at(pod) >= finished_at(last)
        ):
            found[index] = pod
    return found
