"""The instances of a definition that is being deleted: they go first, as its finalizer promises.

Kubernetes: k8s.io/apiextensions-apiserver/pkg/controller/finalizer/crd_finalizer.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj, errors
from kube_actors.api.crd import naming
from kube_actors.api.crd.definition import definition_of, storage_resource
from kube_actors.api.resources import Resource, builtin
from kube_actors.apiserver.bootstrap.writing import SYSTEM
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.registry.registry import OWN, Registry
from kube_actors.apiserver.request import DeleteOptions, Request, Target, WriteOptions

log = structlog.get_logger(__name__)

CRDS = builtin("apiextensions.k8s.io/v1", "customresourcedefinitions")
AGAIN = Backoff(initial=0.1, maximum=5.0)


class Cleanup:
    """One task for each definition that is going."""

    def __init__(self, cache: Cache, registry: Registry, clock: Clock, tasks: Tasks) -> None:
        self._cache = cache
        self._registry = registry
        self._clock = clock
        self._tasks = tasks
        self._going: set[str] = set()

    def begin(self, crd: Obj) -> None:
        """Delete its instances and then its finalizer, in the background; once for each definition."""
        uid = crd["metadata"]["uid"]
        if uid in self._going or naming.FINALIZER not in (crd["metadata"].get("finalizers") or ()):
            return
        self._going.add(uid)
        self._tasks.spawn(self._clean(crd), f"clean {crd['metadata']['name']}").add_done_callback(
            lambda _: self._going.discard(uid)
        )

    async def _clean(self, crd: Obj) -> None:
        resource = storage_resource(definition_of(crd))
        attempts = 0
        while True:
            try:
                if attempts == 0:
                    await self._report(
                        crd, "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"
                    )
                if not await self._delete_instances(resource):
                    await self._finish(crd)
                    return
            except errors.NotFound:
                return  # another server was faster
            except errors.KubeActorsError as error:
                log.warning("cannot delete what a CRD made", crd=crd["metadata"]["name"], reason=str(error))
            attempts += 1
            await asyncio.sleep(AGAIN.delay(attempts))

    async def _delete_instances(self, resource: Resource) -> int:
        """Ask each to go; how many were there."""
        await self._cache.fresh()
        bucket = self._cache.bucket(resource)
        entries = bucket.entries(*bucket.keys())
        for entry in entries:
            namespace, _, name = entry.key.rpartition("/")
            try:
                await self._registry.delete(Request(SYSTEM, Target(resource, namespace, name)), DeleteOptions())
            except errors.NotFound:
                continue
        return len(entries)

    async def _finish(self, crd: Obj) -> None:
        await self._report(crd, "False", "InstanceDeletionCompleted", "removed all instances")

        def without_finalizer(current: Obj) -> Obj:
            kept = [one for one in current["metadata"].get("finalizers") or () if one != naming.FINALIZER]
            current["metadata"]["finalizers"] = kept
            if not kept:
                del current["metadata"]["finalizers"]
            return current

        await self._write(crd, without_finalizer)

    async def _report(self, crd: Obj, status: str, reason: str, message: str) -> None:
        def with_condition(current: Obj) -> Obj:
            return naming.with_condition(current, naming.TERMINATING, status, reason, message, self._clock.now())

        await self._write(crd, with_condition)

    async def _write(self, crd: Obj, change: Callable[[Obj], Obj]) -> None:
        def on_existing(current: Obj | None) -> Obj:
            if current is None or current["metadata"]["uid"] != crd["metadata"]["uid"]:
                raise errors.not_found(CRDS.plural, CRDS.group, crd["metadata"]["name"])
            return change(current)

        target = Target(CRDS, "", crd["metadata"]["name"])
        await self._registry.update(Request(SYSTEM, target), on_existing, WriteOptions(), mode=OWN)
