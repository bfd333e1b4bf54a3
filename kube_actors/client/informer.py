"""A cache of one resource that stays current, with handlers that hear of every change.

The contract, which is that of client-go's SharedInformer:

1.  For each object the cache and the handlers see a subsequence of its states, in the order in which the
    server had them. States may be left out (a watch that broke, a new list); they are never reordered.
2.  The cache is changed before the handlers are called, and a handler may find in it a state that is newer
    than the one it was called for, never an older one.
3.  Each handler gets on_add, then on_updates, then on_delete for a key. An object that was deleted and
    created again while the informer looked away appears as one on_update with another uid.
4.  An object that went while the informer looked away gets on_delete with the last state that was seen,
    which need not be the object's last.
5.  `is_initial` says that the object was there when the handler came, or in the first list.
6.  `synced()` returns after the first list is in the cache and the handlers have been told of it.
7.  Handlers run in the informer's own turn of the loop, one after the other: they must be quick and must not
    block, so in practice they put a key into a work queue. One that raises is logged and counted and
    does not stop the others.
8.  Objects in the cache are shared: whoever wants to change one copies it first.
9.  There is no periodic resync: what has to happen again after a time goes through WorkQueue.add_after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from typing import ParamSpec, Protocol

import structlog

from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.meta import key_of
from kube_actors.api.resources import Resource
from kube_actors.client.indexer import NAMESPACE, Indexer, IndexFunction, by_namespace
from kube_actors.client.interface import Client
from kube_actors.client.mutation import MutationDetector
from kube_actors.client.reflector import Changed, Listed, Reflector, Scope
from kube_actors.client.types import DELETED

log = structlog.get_logger(__name__)
P = ParamSpec("P")


class Handler(Protocol):
    """Who hears of changes. Objects are read-only."""

    def on_add(self, obj: Obj, is_initial: bool) -> None: ...

    def on_update(self, old: Obj, new: Obj) -> None: ...

    def on_delete(self, obj: Obj) -> None: ...


class Informer:
    """The cache of one scope of one resource. See the module for what it guarantees."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        indexers: Mapping[str, IndexFunction] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._scope = Scope(resource, namespace, labels, fields)
        self._reflector = Reflector(client, self._scope, clock or SystemClock())
        self._indexer = Indexer({NAMESPACE: by_namespace, **(indexers or {})})
        self._handlers: list[Handler] = []
        self._listed = asyncio.Event()
        self._tasks = Tasks(f"informer-{resource.plural}")
        self._detector = MutationDetector() if MutationDetector.wanted() else None
        self._started = False
        # Handlers that raised, for whoever watches over the component.
        self.handler_failures = 0

    @property
    def resource(self) -> Resource:
        return self._scope.resource

    @property
    def has_synced(self) -> bool:
        return self._listed.is_set()

    async def synced(self) -> None:
        """Wait until the first list is in the cache."""
        await self._listed.wait()

    async def start(self) -> None:
        """Begin to list and watch. Does not wait for the first list, since the server may be away."""
        if not self._started:
            self._started = True
            self._tasks.spawn_forever(self._run(), "reflect")

    async def stop(self) -> None:
        """Ends the watch; the cache stays readable. Raises CacheMutated where the detector is on and found one."""
        await self._tasks.stop()
        if self._detector is not None:
            detector, self._detector = self._detector, None
            detector.check()

    def add_handler(self, handler: Handler) -> None:
        """Tell `handler` of every change; what is in the cache already comes first, as initial."""
        self._handlers.append(handler)
        for obj in self._indexer.all():
            self._tell(key_of(obj), handler.on_add, obj, True)

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Add an index; the same function twice is fine, another one under a taken name is a ValueError."""
        self._indexer.add_index(name, function)

    def get(self, key: str) -> Obj | None:
        """The object of that key (`namespace/name`, or `name`). Read-only."""
        return self._indexer.get(key)

    def list(self, namespace: str = "") -> list[Obj]:
        """The objects of a namespace, or all. Read-only."""
        return self._indexer.by_index(NAMESPACE, namespace) if namespace else self._indexer.all()

    def by_index(self, name: str, value: str) -> Iterable[Obj]:
        """The objects for which the index function of that name gives `value`. Read-only."""
        return self._indexer.by_index(name, value)

    def __len__(self) -> int:
        return len(self._indexer)

    async def _run(self) -> None:
        async with aclosing(self._reflector.changes()) as changes:
            async for change in changes:
                if isinstance(change, Changed):
                    for event in change.events:
                        if event.type == DELETED:
                            self._remove(key_of(event.object), event.object)
                        else:
                            self._put(event.object)
                else:
                    self._replace(change)

    def _replace(self, listed: Listed) -> None:
        for key in self._indexer.keys() - {key_of(obj) for obj in listed.objects}:
            self._remove(key, None)
        for obj in listed.objects:
            self._put(obj)
        self._listed.set()

    def _put(self, obj: Obj) -> None:
        key = key_of(obj)
        before = self._indexer.get(key)
        if before is not None and _version(before) == _version(obj):
            return
        old = self._indexer.set(key, obj)
        if self._detector is not None:
            self._detector.put(key, obj)
        initial = not self.has_synced
        for handler in self._handlers:
            if old is None:
                self._tell(key, handler.on_add, obj, initial)
            else:
                self._tell(key, handler.on_update, old, obj)

    def _remove(self, key: str, last: Obj | None) -> None:
        old = self._indexer.remove(key)
        if self._detector is not None:
            self._detector.drop(key)
        if old is not None:
            for handler in self._handlers:
                self._tell(key, handler.on_delete, last or old)

    def _tell(self, key: str, hear: Callable[P, None], /, *change: P.args, **named: P.kwargs) -> None:
        try:
            hear(*change, **named)
        except Exception as error:  # the boundary: one handler does not stop the others
            self.handler_failures += 1
            log.error("handler failed", resource=self.resource.qualified, key=key, exc_info=error)


def _version(obj: Obj) -> str:
    return str(obj["metadata"].get("resourceVersion") or "")


class InformerFactory:
    """Informers shared by all controllers of a process: one watch and one cache a scope."""

    def __init__(self, client: Client, clock: Clock | None = None) -> None:
        self._client = client
        self._clock = clock
        self._informers: dict[Scope, Informer] = {}

    def informer(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        indexers: Mapping[str, IndexFunction] | None = None,
    ) -> Informer:
        """The informer of that scope, made on first use. One that is made after `start_all` needs another."""
        scope = Scope(resource, namespace, labels, fields)
        found = self._informers.get(scope)
        if found is None:
            found = self._informers[scope] = Informer(
                self._client, resource, namespace=namespace, labels=labels, fields=fields, clock=self._clock
            )
        for name, function in (indexers or {}).items():
            found.add_index(name, function)
        return found

    async def start_all(self) -> None:
        """Start those that are not started. Does not wait; see `synced`."""
        for informer in list(self._informers.values()):
            await informer.start()

    async def synced(self) -> None:
        """Wait until every informer has its first list."""
        for informer in list(self._informers.values()):
            await informer.synced()

    async def stop_all(self) -> None:
        for informer in list(self._informers.values()):
            await informer.stop()
