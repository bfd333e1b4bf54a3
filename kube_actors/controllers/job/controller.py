"""The Job controller: one sync counts, decides, creates or deletes pods, and tracks what finished."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError, NotFound
from kube_actors.api.meta import (
    controller_of,
    get_path,
    is_deleting,
    labels_of,
    make_key,
    name_of,
    namespace_of,
    uid_of,
)
from kube_actors.api.resources import PODS, builtin
from kube_actors.api.selectors import LabelSelector
from kube_actors.controllers.actions import NORMAL, WARNING, AllAtOnce, DeleteObject, UpdateStatus
from kube_actors.controllers.base import Context, Controller, On, is_namespace_terminating
from kube_actors.controllers.claiming import claim_all
from kube_actors.controllers.dependents import DependentHandler
from kube_actors.controllers.executor import Report
from kube_actors.controllers.expectations import TTL, Expectations
from kube_actors.controllers.indexes import CONTROLLER, OWNED, orphans_of
from kube_actors.controllers.job import conditions, tracking
from kube_actors.controllers.job.backoff import Backoff
from kube_actors.controllers.job.counting import Counted, View, count
from kube_actors.controllers.job.deciding import completed, decide, is_complete, started_at
from kube_actors.controllers.job.managing import Change, plan_pods
from kube_actors.controllers.job.pods import FINALIZER, finalizer_removal, has_finalizer, is_suspended
from kube_actors.controllers.pod_control import PodControl, deletion_events
from kube_actors.controllers.pods import is_ready
from kube_actors.controllers.statuses import same_status

JOBS = builtin("batch/v1", "jobs")
MANAGER = "kubernetes.io/job-controller"
# Pods of a Job often finish together: one sync counts them all.
BATCH_SECONDS = 0.1


@dataclass(slots=True)
class _Running:
    """Pods after this sync's changes."""

    active: int
    ready: int
    terminating: int
    error: KubeActorsError | None = None

    def deleted(self, pods: Sequence[Obj], report: Report) -> int:
        """Take those away that were deleted; how many they were."""
        gone = [pod for pod, outcome in zip(pods, report.outcomes, strict=True) if outcome.error is None]
        self.active -= len(gone)
        self.terminating += len(gone)
        self.ready -= sum(1 for pod in gone if is_ready(pod))
        self.error = self.error or report.error
        return len(gone)


def version_of(obj: Obj) -> int:
    """The resourceVersion as a number; they grow with every write."""
    text = str(obj["metadata"].get("resourceVersion") or "")
    return int(text) if text.isdigit() else 0


def _selects(job: Obj, pod: Obj) -> bool:
    selector = LabelSelector.from_object(job["spec"].get("selector"))
    return not selector.is_everything and selector.matches(labels_of(pod))


class JobController(Controller):
    """Runs each Job's pods to their end; see the package's docstring."""

    name = "job"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.jobs = self.informer(JOBS)
        self.pods = self.informer(PODS, OWNED)
        self.expectations = Expectations(context.clock)
        self.pod_control = PodControl(self.executor, self.expectations)
        self._backoffs: dict[str, Backoff] = {}
        # By key, the uids of pods whose finalizer was taken away; the cache still shows it.
        self._released: dict[str, set[str]] = defaultdict(set)
        # By key, uid and resourceVersion of the Job as this controller wrote it last.
        self._written: dict[str, tuple[str, int]] = {}
        self.enqueue_from(self.jobs)
        self.pods.add_handler(On(lambda pod: None, self._pod_updated, self._pod_gone))
        self.pods.add_handler(DependentHandler(JOBS, self.jobs, _selects, self._soon, self.expectations))

    def _soon(self, key: str) -> None:
        self.queue.add_after(key, BATCH_SECONDS)

    def _pod_updated(self, old: Obj, new: Obj) -> None:
        if not has_finalizer(new) or uid_of(old) != uid_of(new):
            self._pod_gone(old)

    def _pod_gone(self, pod: Obj) -> None:
        if (ref := controller_of(pod)) is not None:
            self._observed(make_key(namespace_of(pod), str(ref.get("name"))), uid_of(pod))

    def _observed(self, key: str, uid: str) -> None:
        if (released := self._released.get(key)) is not None:
            released.discard(uid)
            if not released:
                del self._released[key]

    async def sync(self, key: str) -> None:
        job = self.jobs.get(key)
        if job is None:
            self._forget(key)
            self.expectations.forget(key)
            self._released.pop(key, None)
            self._written.pop(key, None)
            return
        if self._is_behind(key, job):
            return
        if job["spec"].get("managedBy") not in (None, MANAGER):
            return
        if conditions.is_finished(job):
            self._forget(key)
            return
        may_act = self.expectations.satisfied(key)
        if not may_act:
            self.queue.add_after(key, TTL + 1)
        pods = await self._claim(job)
        counts = count(View(job, pods, self.clock.now(), frozenset(self._released.get(key, ()))))
        await _Sync(self, key, counts, may_act).run()

    def _is_behind(self, key: str, job: Obj) -> bool:
        """Whether the cache does not show our own last write yet.

        Pods that were counted since, and have lost the finalizer in their cache, would be made once more.
        """
        uid, version = self._written.get(key, ("", 0))
        return uid == uid_of(job) and version_of(job) < version

    def written(self, key: str, job: Obj) -> None:
        self._written[key] = uid_of(job), version_of(job)

    def _forget(self, key: str) -> None:
        self._backoffs.pop(key, None)

    async def _claim(self, job: Obj) -> list[Obj]:
        mine = self.pods.by_index(CONTROLLER, uid_of(job))
        orphans = self.pods.by_index(CONTROLLER, orphans_of(namespace_of(job)))
        selector = LabelSelector.from_object(job["spec"].get("selector"))

        def matches(pod: Obj) -> bool:
            return selector.matches(labels_of(pod))

        return await claim_all(
            self.client, self.executor, job, JOBS, matches, [*mine, *orphans], PODS, finalizer=FINALIZER
        )

    def backoff_of(self, key: str) -> Backoff:
        return self._backoffs.get(key, Backoff())

    def note_backoff(self, key: str, backoff: Backoff) -> None:
        if backoff.failures:
            self._backoffs[key] = backoff
        else:
            self._backoffs.pop(key, None)

    async def release(self, key: str, pods: Sequence[Obj]) -> tuple[set[str], KubeActorsError | None]:
        """Take the finalizer from pods: the uids of those that lost it, and the first refusal."""
        uids = {uid_of(pod) for pod in pods}
        if not uids:
            return uids, None
        self._released[key] |= uids
        report = await self.executor.run([AllAtOnce(tuple(finalizer_removal(pod) for pod in pods))])
        error: KubeActorsError | None = None
        for pod, outcome in zip(pods, report.outcomes, strict=True):
            if outcome.error is None:
                continue
            self._observed(key, uid_of(pod))
            # Gone already: as good as released.
            if not isinstance(outcome.error, NotFound):
                uids.discard(uid_of(pod))
                error = error or outcome.error
        return uids, error


class _Sync:
    """One sync of one Job, after the counting."""

    def __init__(self, controller: JobController, key: str, counts: Counted, may_act: bool) -> None:
        self.controller = controller
        self.key = key
        self.counts = counts
        self.job = counts.job
        self.may_act = may_act
        self.status: Obj = dict(self.job.get("status") or {})
        ready = sum(1 for pod in counts.active if is_ready(pod))
        self.running = _Running(len(counts.active), ready, len(counts.terminating))
        backoff = controller.backoff_of(key)
        self.backoff = backoff.after(counts.new_succeeded, counts.new_failed)

    async def run(self) -> None:
        if not self.status.get("startTime") and not is_suspended(self.job):
            self.status["startTime"] = rfc3339(self.counts.now)
        decision = decide(self.counts, started_at(self.status))
        if decision.look_again is not None:
            self.controller.queue.add_after(self.key, decision.look_again)
        if decision.over is not None:
            over = await self._end(decision.over)
        else:
            over = await self._manage()
        running = self.running
        self.status |= {"active": running.active, "ready": running.ready, "terminating": running.terminating}
        await self._track(over)
        if running.error is not None and not is_namespace_terminating(running.error):
            raise running.error

    async def _end(self, over: Obj) -> Obj | None:
        """Delete what still runs. Not over yet while something of it may be unknown or would not go."""
        pods = self.counts.active
        deletions = tuple(_delete(pod) for pod in pods)
        report = await self.controller.executor.run([AllAtOnce(deletions)] if deletions else [])
        await self.controller.executor.run(deletion_events(self.job, deletions, report))
        gone = self.running.deleted(pods, report)
        return over if gone == len(pods) and self.may_act else None

    async def _manage(self) -> Obj | None:
        managed = self.may_act and not is_deleting(self.job)
        if managed:
            await self._apply(plan_pods(self.counts, self.backoff))
        if is_complete(self.counts, self.running.active):
            return completed(self.counts)
        if managed:
            self._note_suspension()
        return None

    async def _apply(self, change: Change) -> None:
        control = self.controller.pod_control
        if change.wait > 0:
            self.controller.queue.add_after(self.key, change.wait)
        if change.create:
            report = await control.create(self.key, self.job, change.create)
            self.running.active += len(report.results)
            self.running.error = report.error
        if change.delete:
            # Without the finalizer they are not counted: the Job did not want them, they did not fail.
            _, self.running.error = await self.controller.release(
                self.key, [pod for pod in change.delete if has_finalizer(pod)]
            )
            report = await control.delete(self.key, self.job, [_delete(pod) for pod in change.delete])
            self.running.deleted(change.delete, report)

    def _note_suspension(self) -> None:
        before = self.status.get("conditions") or []
        now = self.counts.now
        if is_suspended(self.job):
            new = conditions.make(conditions.SUSPENDED, "True", "JobSuspended", "Job suspended", now)
        else:
            new = conditions.make(conditions.SUSPENDED, "False", "JobResumed", "Job resumed", now)
        after = conditions.put(before, new)
        if after is before:
            return
        self.status["conditions"] = after
        if is_suspended(self.job):
            self._event(NORMAL, "Suspended", "Job suspended")
        else:
            self._event(NORMAL, "Resumed", "Job resumed")
            # The deadline counts the time in which the Job runs without a pause.
            self.status["startTime"] = rfc3339(now)

    async def _track(self, over: Obj | None) -> None:
        noted = tracking.note(self.counts, self.status, over)
        await self._write(noted.status)
        self.controller.note_backoff(self.key, self.backoff)
        released, error = await self.controller.release(self.key, noted.release)
        holding = tracking.holding_after(self.counts, released)
        status = tracking.settle(noted.status, holding)
        ended = None
        if error is None and not noted.cut:
            ended = tracking.finish(status, noted.final, self.running.terminating)
        await self._write(ended or status)
        if ended is not None and noted.final is not None:
            self._tell_end(ended, noted.final)
        self.running.error = self.running.error or error

    async def _write(self, status: Obj) -> None:
        if same_status(self.job.get("status") or {}, status):
            return
        report = await self.controller.executor.run([UpdateStatus(JOBS, self.job | {"status": status})])
        report.raise_error()
        self.job = report.results[0]
        self.controller.written(self.key, self.job)

    def _tell_end(self, status: Obj, final: Obj) -> None:
        if final["type"] != conditions.COMPLETE:
            self._event(WARNING, final.get("reason", ""), final.get("message", ""))
            return
        completions = get_path(self.job, "spec", "completions")
        if completions is not None and status.get("succeeded", 0) > completions:
            text = "Too many succeeded pods running after completion count reached"
            self._event(WARNING, "TooManySucceededPods", text)
        self._event(NORMAL, "Completed", "Job completed")

    def _event(self, kind: str, reason: str, message: str) -> None:
        self.controller.context.recorder.event(self.job, kind, reason, message)


def _delete(pod: Obj) -> DeleteObject:
    return DeleteObject(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod))
