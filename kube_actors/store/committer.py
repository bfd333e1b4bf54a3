"""Where a commit runs: on a thread of its own for a durable file, at once in memory mode.

A thread, because fsync takes milliseconds. One job at a time: the engine submits the next when the one
before is done.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol

# The thread needs the interpreter a few times in a commit. By default a busy loop lets it wait 5 ms each
# time: measured, 128 writes of 1 kB then take 27 ms instead of 2.
SWITCH_INTERVAL = 0.0002

Done = Callable[[Any, Exception | None], None]


class Committer(Protocol):
    def submit(self, job: Callable[[], Any], done: Done) -> None:
        """Run the job; `done(result, error)` is called on the event loop."""

    def close(self) -> None:
        """Waits for the job that runs."""


class InlineCommitter:
    def submit(self, job: Callable[[], Any], done: Done) -> None:
        result, error = _run(job)
        asyncio.get_running_loop().call_soon(done, result, error)

    def close(self) -> None:
        return


class ThreadCommitter:
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Done] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store-committer", daemon=True)
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_INTERVAL))
        self._thread.start()

    def submit(self, job: Callable[[], Any], done: Done) -> None:
        self._jobs.put((job, done))

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, done = item
            result, error = _run(job)
            self._loop.call_soon_threadsafe(done, result, error)


def _run(job: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return job(), None
    except Exception as error:  # noqa: BLE001  (the boundary: the engine decides what a failed commit means)
        return None, error
