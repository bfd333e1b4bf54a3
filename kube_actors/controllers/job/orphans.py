"""Pods that a Job left behind: the finalizer that kept them for the counting goes, or they would stay for ever."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.errors import NotFound
from kube_actors.api.meta import controller_of, key_of, make_key, namespace_of, uid_of
from kube_actors.api.resources import PODS
from kube_actors.controllers.base import Context, Controller, On
from kube_actors.controllers.indexes import CONTROLLER, OWNED
from kube_actors.controllers.job.controller import JOBS
from kube_actors.controllers.job.pods import finalizer_removal, has_finalizer


class JobOrphanController(Controller):
    """Keys are pods that have the finalizer and no Job in the cache."""

    name = "job-orphan-pods"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.jobs = self.informer(JOBS)
        self.pods = self.informer(PODS, OWNED)
        self.jobs.add_handler(On(lambda job: None, lambda old, new: None, self._job_gone))
        self.pods.add_handler(On(self._pod, lambda old, new: self._pod(new), lambda pod: None))

    def _job_gone(self, job: Obj) -> None:
        for pod in self.pods.by_index(CONTROLLER, uid_of(job)):
            self._pod(pod)

    def _pod(self, pod: Obj) -> None:
        if has_finalizer(pod) and self._job_of(pod) is None:
            self.queue.add(key_of(pod))

    def _job_of(self, pod: Obj) -> Obj | None:
        ref = controller_of(pod)
        job = self.jobs.get(make_key(namespace_of(pod), str(ref["name"]))) if ref is not None else None
        return job if ref is not None and job is not None and uid_of(job) == ref.get("uid") else None

    async def sync(self, key: str) -> None:
        pod = self.pods.get(key)
        if pod is None or not has_finalizer(pod) or self._job_of(pod) is not None:
            return
        if await self._job_exists(pod):
            return
        report = await self.executor.run([finalizer_removal(pod)])
        if not isinstance(report.error, NotFound):
            report.raise_error()

    async def _job_exists(self, pod: Obj) -> bool:
        """A look at the server: the cache of Jobs may be behind that of pods."""
        ref = controller_of(pod)
        if ref is None or ref.get("kind") != JOBS.kind:
            return False
        try:
            job = await self.client.get(JOBS, str(ref["name"]), namespace_of(pod))
        except NotFound:
            return False
        return uid_of(job) == ref.get("uid")
