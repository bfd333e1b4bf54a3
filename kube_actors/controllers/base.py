"""The shell that all controllers share: informers, one work queue, workers, backoff, counters.

    informer -> handler -> queue.add(key)          handlers do nothing else, but for expectations
    worker: key = queue.get() -> sync(key) -> forget, or count, log and try again later

A sync is level-based: it reads the caches anew, so any number of changes between two syncs is one sync, and
a sync too many is harmless. An exception concerns its key alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import ApiError, Conflict, KubeActorsError
from kube_actors.api.meta import key_of
from kube_actors.api.resources import Resource
from kube_actors.client.events import Recorder
from kube_actors.client.indexer import IndexFunction
from kube_actors.client.informer import Informer, InformerFactory
from kube_actors.client.interface import Client
from kube_actors.client.workqueue import RateLimiter, WorkQueue
from kube_actors.controllers.actions import Action
from kube_actors.controllers.config import ControllerConfig
from kube_actors.controllers.executor import Executor, Report
from kube_actors.controllers.metrics import Counters

log = structlog.get_logger(__name__)

# client-go goes up to 1000 s; a minute lets everything recover soon after an API server that was away.
MAX_BACKOFF = 60.0


class NotYet(KubeActorsError):
    """Something has to happen first; the key is tried again with backoff."""


@dataclass(frozen=True, slots=True)
class Context:
    """What every controller is built from."""

    client: Client
    informers: InformerFactory
    recorder: Recorder
    clock: Clock
    counters: Counters
    config: ControllerConfig


@dataclass(frozen=True, slots=True)
class On:
    """An informer's handler out of three functions."""

    add: Callable[[Obj], None]
    update: Callable[[Obj, Obj], None]
    delete: Callable[[Obj], None]

    def on_add(self, obj: Obj, is_initial: bool) -> None:
        self.add(obj)

    def on_update(self, old: Obj, new: Obj) -> None:
        self.update(old, new)

    def on_delete(self, obj: Obj) -> None:
        self.delete(obj)


class Controller(ABC):
    """One control loop. A subclass asks for informers in its constructor and implements `sync`."""

    name: ClassVar[str]
    # By which its Events say whom they come from. Kubernetes names few otherwise.
    event_source: ClassVar[str] = ""
    workers: ClassVar[int] = 5

    def __init__(self, context: Context) -> None:
        self.context = context
        self.client = context.client
        self.clock = context.clock
        self.counters = context.counters.of(self.name)
        self.executor = Executor(context.client, context.recorder, self.counters)
        self.queue: WorkQueue[str] = WorkQueue(RateLimiter(maximum=MAX_BACKOFF))
        self.tasks = Tasks(f"controller-{self.name}", on_failure=self._task_failed)
        self._informers: list[Informer] = []

    def informer(self, resource: Resource, indexers: Mapping[str, IndexFunction] | None = None) -> Informer:
        """The shared cache of `resource`; the workers wait for it."""
        informer = self.context.informers.informer(resource, indexers=indexers)
        self._informers.append(informer)
        return informer

    def enqueue_from(self, informer: Informer) -> None:
        """Every change of an object enqueues its own key."""
        informer.add_handler(On(self.enqueue, lambda old, new: self.enqueue(new), self.enqueue))

    def enqueue(self, obj: Obj) -> None:
        self.queue.add(key_of(obj))

    @abstractmethod
    async def sync(self, key: str) -> None:
        """Bring the object of `key` nearer to its spec. What it raises is retried later, with backoff."""

    async def ready(self) -> None:
        """Wait for what the workers need besides the caches of `informer`."""
        return

    async def run(self) -> None:
        """Work besides the queue, such as a periodic check; starts with the workers."""
        return

    async def every(self, seconds: float, look: Callable[[], Awaitable[None]]) -> None:
        """Call `look` again and again, for what no event tells; a failure is logged and counted, not the end."""
        while True:
            try:
                await look()
            except Exception as error:  # noqa: BLE001  the boundary: the next round may succeed
                self._count_failure("look failed", "", error)
            await self.clock.sleep(seconds)

    async def perform(self, key: str, actions: Iterable[Action]) -> Report:
        """Run actions; a Requeue among them is for `key`. See `Report.error`."""
        report = await self.executor.run(actions)
        if report.requeue_after is not None:
            self.queue.add_after(key, report.requeue_after)
        return report

    async def start(self) -> None:
        """Begin; the workers start as soon as the caches are filled. The informers are the manager's to start."""
        self.tasks.spawn(self._start_workers(), "start")

    async def stop(self) -> None:
        """Take no more keys and end what runs. A write that is on its way may still happen."""
        self.queue.shut_down()
        await self.tasks.stop()

    async def _start_workers(self) -> None:
        for informer in self._informers:
            await informer.synced()
        await self.ready()
        for number in range(self.workers):
            self.tasks.spawn(self._work(), f"worker-{number}")
        self.tasks.spawn(self.run(), "run")

    async def _work(self) -> None:
        while (key := await self.queue.get()) is not None:
            try:
                await self._sync_once(key)
            finally:
                self.queue.done(key)

    async def _sync_once(self, key: str) -> None:
        self.counters.syncs += 1
        try:
            await self.sync(key)
        except Conflict as conflict:
            # The cache was behind; the event that brings it up is on its way.
            self.counters.conflicts += 1
            log.debug("conflict", controller=self.name, key=key, reason=str(conflict))
            self.queue.add_rate_limited(key)
        except Exception as error:  # noqa: BLE001  the boundary: one key's failure is that key's alone
            self._count_failure("sync failed", key, error)
            self.queue.add_rate_limited(key)
        else:
            self.counters.consecutive_errors = 0
            self.queue.forget(key)

    def _task_failed(self, name: str, error: BaseException) -> None:
        self.counters.errors += 1

    def _count_failure(self, event: str, key: str, error: Exception) -> None:
        self.counters.errors += 1
        self.counters.consecutive_errors += 1
        if isinstance(error, NotYet):
            log.info(event, controller=self.name, key=key, error=str(error))
        else:
            known = isinstance(error, KubeActorsError)
            log.warning(event, controller=self.name, key=key, error=str(error), exc_info=not known)


def is_namespace_terminating(error: BaseException | None) -> bool:
    """Whether a create was refused because its namespace is going: nothing to retry."""
    if not isinstance(error, ApiError):
        return False
    causes = (error.status().get("details") or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
