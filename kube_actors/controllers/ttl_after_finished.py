"""Jobs with ttlSecondsAfterFinished are deleted that long after their end, and their pods with them."""

from __future__ import annotations

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.errors import NotFound
from kube_actors.api.meta import get_path, is_deleting, name_of, namespace_of, split_key, uid_of
from kube_actors.controllers.actions import DeleteObject, Requeue
from kube_actors.controllers.base import Context, Controller, On
from kube_actors.controllers.job.conditions import COMPLETE, FAILED, is_set
from kube_actors.controllers.job.controller import JOBS


def expires_at(job: Obj) -> float | None:
    """When the Job is to be deleted; None where it has not ended, or stays."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    present = get_path(job, "status", "conditions", default=[])
    ended = next((found for kind in (COMPLETE, FAILED) if (found := is_set(present, kind)) is not None), None)
    if ttl is None or ended is None or is_deleting(job) or not ended.get("lastTransitionTime"):
        return None
    return parse_rfc3339(ended["lastTransitionTime"]) + float(ttl)


def plan(job: Obj, now: float) -> list[DeleteObject | Requeue]:
    """Delete the Job, or come back when its time is up."""
    at = expires_at(job)
    if at is None:
        return []
    if at > now:
        return [Requeue(at - now)]
    version = str(job["metadata"].get("resourceVersion") or "")
    return [
        DeleteObject(
            JOBS,
            namespace_of(job),
            name_of(job),
            uid=uid_of(job),
            resource_version=version,
            propagation="Foreground",
        )
    ]


class TTLAfterFinishedController(Controller):
    """Keys are Jobs that ended."""

    name = "ttl-after-finished"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.jobs = self.informer(JOBS)
        self.jobs.add_handler(On(self._changed, lambda old, new: self._changed(new), lambda job: None))

    def _changed(self, job: Obj) -> None:
        if expires_at(job) is not None:
            self.enqueue(job)

    async def sync(self, key: str) -> None:
        job = self.jobs.get(key)
        if job is None:
            return
        now = self.clock.now()
        if any(isinstance(action, DeleteObject) for action in plan(job, now)):
            # The cache may not show yet that the time to live was made longer.
            namespace, name = split_key(key)
            try:
                job = await self.client.get(JOBS, name, namespace)
            except NotFound:
                return
        (await self.perform(key, plan(job, now))).raise_error()
