"""Follows the CustomResourceDefinitions: names, conditions, what is served."""

from __future__ import annotations

import asyncio

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj, errors
from kube_actors.api.crd import naming
from kube_actors.api.crd.definition import Definition, definition_of, resources_of
from kube_actors.api.resources import Registry, Resource, builtin
from kube_actors.apiserver import fields
from kube_actors.apiserver.bootstrap.writing import SYSTEM
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.cache.selection import Selection
from kube_actors.apiserver.cache.watcher import Watcher
from kube_actors.apiserver.custom.cleanup import Cleanup
from kube_actors.apiserver.lookup import CacheLookup
from kube_actors.apiserver.registry.registry import OWN
from kube_actors.apiserver.registry.registry import Registry as ObjectRegistry
from kube_actors.apiserver.request import Request, Target, WriteOptions

log = structlog.get_logger(__name__)

CRDS = builtin("apiextensions.k8s.io/v1", "customresourcedefinitions")
RETRY = Backoff(initial=0.2, maximum=30.0)


class Definitions:
    """One for each API server.

    Crash contract: it keeps nothing; all it knows is in the CRDs, and `start` reads them again.
    """

    def __init__(
        self, cache: Cache, lookup: CacheLookup, resources: Registry, registry: ObjectRegistry, clock: Clock
    ) -> None:
        """`resources` is what the server serves; custom resources are added to it and removed."""
        self._cache = cache
        self._lookup = lookup
        self._resources = resources
        self._registry = registry
        self._clock = clock
        self._tasks = Tasks("apiserver-custom")
        self._cleanup = Cleanup(cache, registry, clock, self._tasks)
        # By the CRD's name: its resourceVersion, and what it made.
        self._served: dict[str, tuple[str, list[Resource]]] = {}

    async def start(self) -> None:
        """Returns when all established definitions are served."""
        self._serve(self._all())
        self._tasks.spawn_forever(self._run(), "definitions")

    async def stop(self) -> None:
        await self._tasks.stop()

    def _all(self) -> list[Obj]:
        """In the order of their creation, by which names are given."""
        found = self._lookup.all(CRDS)
        return sorted(
            found, key=lambda crd: (crd["metadata"]["creationTimestamp"], int(crd["metadata"]["resourceVersion"]))
        )

    async def _run(self) -> None:
        failures = 0
        while True:
            bucket = self._cache.bucket(CRDS)
            watcher = Watcher(Selection(bucket.read_fields), self._cache.revision)
            bucket.attach(watcher)
            try:
                while not watcher.cut:
                    failures = 0 if await self._sync() else failures + 1
                    await _changed(watcher, RETRY.delay(failures) if failures else None)
            finally:
                bucket.detach(watcher)
            await asyncio.sleep(RETRY.delay(1))

    async def _sync(self) -> bool:
        """Bring everything to what the CRDs say; False where something has to be tried again."""
        crds = self._all()
        self._serve(crds)
        done = True
        for crd in crds:
            try:
                await self._accept(crd, crds)
            except errors.KubeActorsError as error:
                log.warning("cannot write the status of a CRD", crd=crd["metadata"]["name"], reason=str(error))
                done = False
            if crd["metadata"].get("deletionTimestamp"):
                self._cleanup.begin(crd)
        return done

    async def _accept(self, crd: Obj, crds: list[Obj]) -> None:
        """Write the names that the CRD gets and its conditions, where they are others."""
        if crd["metadata"].get("deletionTimestamp"):
            return
        wanted = self._with_names(crd, crds)
        if wanted["status"] == crd.get("status"):
            return

        def change(current: Obj | None) -> Obj:
            if current is None or current["metadata"]["uid"] != crd["metadata"]["uid"]:
                raise errors.not_found(CRDS.plural, CRDS.group, crd["metadata"]["name"])
            return self._with_names(current, crds)

        target = Target(CRDS, "", crd["metadata"]["name"], "status")
        try:
            await self._registry.update(Request(SYSTEM, target), change, WriteOptions(), mode=OWN)
        except errors.NotFound:
            return

    def _with_names(self, crd: Obj, crds: list[Obj]) -> Obj:
        group, name = crd["spec"]["group"], crd["metadata"]["name"]
        others = [one for one in crds if one["spec"]["group"] == group and one["metadata"]["name"] != name]
        built_in = [one for one in self._resources if one.group == group and not one.custom]
        taken = [text for one in built_in for text in (one.plural, one.kind, one.singular, one.list_kind)]
        return naming.with_names(crd, others, taken, self._clock.now())

    def _serve(self, crds: list[Obj]) -> None:
        """Make the registry hold what established definitions make, and nothing else."""
        wanted = {crd["metadata"]["name"]: crd for crd in crds if naming.is_established(crd)}
        for name in self._served.keys() - wanted.keys():
            _, gone = self._served.pop(name)
            self._forget(gone)
        for name, crd in wanted.items():
            version = crd["metadata"]["resourceVersion"]
            known, made = self._served.get(name, ("", []))
            if known != version:
                self._served[name] = (version, self._replace(made, definition_of(crd)))

    def _replace(self, before: list[Resource], definition: Definition) -> list[Resource]:
        made = resources_of(definition)
        for resource in before:
            self._resources.remove(resource)
        for resource in made:
            self._resources.add(resource)
        if made:
            self._cache.bucket(made[0]).reread(fields.custom_reader(definition))
        return made

    def _forget(self, gone: list[Resource]) -> None:
        for resource in gone:
            self._resources.remove(resource)
        for watcher in list(self._cache.bucket(gone[0]).watchers()) if gone else ():
            watcher.close()


async def _changed(watcher: Watcher, patience: float | None) -> None:
    """Until a CRD has changed, or for `patience` seconds."""
    try:
        async with asyncio.timeout(patience):
            await watcher.wait()
    except TimeoutError:
        return
    watcher.take()
