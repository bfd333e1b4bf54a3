"""The CronJob controller: looks after its Jobs, starts one when it is due."""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.errors import AlreadyExists, NotFound
from kube_actors.api.meta import controller_of, is_deleting, name_of, namespace_of, uid_of
from kube_actors.api.resources import builtin
from kube_actors.controllers.actions import NORMAL, WARNING, CreateObject, DeleteObject, UpdateStatus
from kube_actors.controllers.base import Context, Controller, is_namespace_terminating
from kube_actors.controllers.cronjob import history
from kube_actors.controllers.cronjob.plan import job_for, plan
from kube_actors.controllers.dependents import DependentHandler
from kube_actors.controllers.indexes import CONTROLLER, OWNED
from kube_actors.controllers.job.controller import JOBS
from kube_actors.controllers.statuses import same_status

CRON_JOBS = builtin("batch/v1", "cronjobs")


class CronJobController(Controller):
    """See `plan.plan`; Jobs are never adopted."""

    name = "cronjob"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.owners = self.informer(CRON_JOBS)
        self.jobs = self.informer(JOBS, OWNED)
        self.enqueue_from(self.owners)
        self.jobs.add_handler(DependentHandler(CRON_JOBS, self.owners, lambda owner, job: False, self.queue.add))

    async def sync(self, key: str) -> None:
        owner = self.owners.get(key)
        if owner is None:
            return
        jobs = list(self.jobs.by_index(CONTROLLER, uid_of(owner)))
        for job in history.surplus(owner, jobs):
            await self._delete(owner, namespace_of(job), name_of(job), uid_of(job))
        if any(history.is_unexpected(owner, job) for job in jobs):
            try:
                # The cache may be behind our own last write.
                owner = await self.client.get(CRON_JOBS, name_of(owner), namespace_of(owner))
            except NotFound:
                return
        status, events = history.observe(owner, jobs, await self._gone(owner, jobs))
        await self.executor.run(events)
        owner = await self._write(owner, status)
        if is_deleting(owner):
            return
        planned = plan(owner, self.clock.now())
        if planned.look_again is not None:
            self.queue.add_after(key, planned.look_again)
        await self.executor.run(planned.events)
        if planned.start is not None:
            for ref in planned.replace:
                await self._delete(owner, namespace_of(owner), ref["name"], ref.get("uid", ""))
            replaced = {ref.get("uid") for ref in planned.replace}
            await self._start(owner, planned.start, replaced)

    async def _gone(self, owner: Obj, jobs: Sequence[Obj]) -> list[str]:
        """Active Jobs that neither the cache nor the server has: a new one may not be in the cache yet."""
        known = {uid_of(job) for job in jobs}
        gone: list[str] = []
        for ref in (owner.get("status") or {}).get("active") or ():
            uid = str(ref.get("uid"))
            if uid in known:
                continue
            try:
                found = await self.client.get(JOBS, ref["name"], namespace_of(owner))
            except NotFound:
                gone.append(uid)
                continue
            if uid_of(found) != uid:
                gone.append(uid)
        return gone

    async def _start(self, owner: Obj, scheduled: float, replaced: set[str | None]) -> None:
        job = job_for(owner, scheduled)
        report = await self.executor.run([CreateObject(JOBS, job)])
        if is_namespace_terminating(report.error):
            return
        if isinstance(report.error, AlreadyExists):
            created = await self.client.get(JOBS, name_of(job), namespace_of(job))
            ref = controller_of(created)
            # Made by a sync that did not get to the status; or somebody else's.
            if ref is None or ref.get("uid") != uid_of(owner):
                raise report.error
        elif report.error is not None:
            self._event(owner, WARNING, "FailedCreate", f"Error creating job: {report.error}")
            raise report.error
        else:
            created = report.results[0]
            self._event(owner, NORMAL, "SuccessfulCreate", f"Created job {name_of(created)}")
        status = owner.get("status") or {}
        active = [ref for ref in status.get("active") or () if ref.get("uid") not in replaced]
        if uid_of(created) not in {ref.get("uid") for ref in active}:
            active.append(history.reference(created))
        await self._write(owner, status | {"active": active, "lastScheduleTime": rfc3339(scheduled)})

    async def _delete(self, owner: Obj, namespace: str, name: str, uid: str) -> None:
        report = await self.executor.run([DeleteObject(JOBS, namespace, name, uid=uid, propagation="Background")])
        if report.error is not None:
            self._event(owner, WARNING, "FailedDelete", f"Deleted job: {report.error}")
            raise report.error
        self._event(owner, NORMAL, "SuccessfulDelete", f"Deleted job {name}")

    async def _write(self, owner: Obj, status: Obj) -> Obj:
        if same_status(owner.get("status") or {}, status):
            return owner
        report = await self.executor.run([UpdateStatus(CRON_JOBS, owner | {"status": status})])
        report.raise_error()
        return report.results[0]

    def _event(self, owner: Obj, kind: str, reason: str, message: str) -> None:
        self.context.recorder.event(owner, kind, reason, message)
