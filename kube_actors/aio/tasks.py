"""Owned, named tasks: whoever starts a task stops it, and a task that ends by surprise is an error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import structlog

T = TypeVar("T")
log = structlog.get_logger(__name__)

FailureHandler = Callable[[str, BaseException], None]


async def to_its_end(work: Coroutine[Any, Any, T], name: str, seconds: float) -> T:
    """Await `work`. A cancellation takes effect when it has ended; after `seconds` it is passed on to the work."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work, name=name)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        deadline = loop.time() + seconds
        while not task.done() and loop.time() < deadline:
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task}, timeout=deadline - loop.time())
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()) is not None:
            log.info("cut short, and failed", task=name, error=str(error))
        raise


class Tasks:
    """The tasks of one component.

    A task of `spawn` may end by returning. A task of `spawn_forever` may not: its return is a failure
    as its exception is. Failures are logged with the task's name and given to `on_failure`, by which
    the owner decides; they never vanish.

    `stop()` cancels every task and waits. A task that resists is named in the log every
    `report_every` seconds, so that a shutdown that hangs says on what.
    """

    def __init__(self, owner: str, on_failure: FailureHandler | None = None) -> None:
        self._owner = owner
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopped = False

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run `work` until it returns."""
        if self._stopped:
            work.close()
            raise RuntimeError(f"{self._owner} has stopped; it cannot start {name}")
        task = asyncio.get_running_loop().create_task(work, name=f"{self._owner}/{name}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def spawn_forever(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work`, which is not expected to return before `stop()`."""

        async def guarded() -> None:
            await work
            raise RuntimeError(f"task {self._owner}/{name} returned, which it should not")

        task = self.spawn(guarded(), name)
        # Cancelled before its first step, `guarded` never gets to await the work.
        task.add_done_callback(lambda _: work.close())
        return task

    async def stop(self, report_every: float = 5.0) -> None:
        """Cancel all tasks and wait until the last has ended. May be called twice."""
        self._stopped = True
        current = asyncio.current_task()
        while pending := {task for task in self._tasks if task is not current}:
            for task in pending:
                task.cancel()
            _, stuck = await asyncio.wait(pending, timeout=report_every)
            for task in stuck:
                log.warning("task does not stop", task=task.get_name())

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        log.error("task failed", task=task.get_name(), exc_info=error)
        if self._on_failure is not None:
            self._on_failure(task.get_name(), error)
