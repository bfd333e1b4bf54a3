"""Forgetting: on request, by time, by number of revisions. Space comes back in steps between the writes."""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.store.engine import Engine
from kube_actors.store.errors import Compacted, EtcdError, StoreUnavailable

log = structlog.get_logger(__name__)

# Keys of the index looked at between two turns of the loop.
STEP = 500
SAMPLES = 10


class Compactor:
    """`retention` seconds of history are kept (0: for ever), and at most `revisions` (0: any number)."""

    def __init__(self, engine: Engine, clock: Clock, tasks: Tasks, *, retention: float, revisions: int) -> None:
        self._engine = engine
        self._clock = clock
        self._tasks = tasks
        self._retention = retention
        self._revisions = revisions
        self._purging = asyncio.Lock()

    def start(self) -> None:
        if self._engine.compacted > 0:
            # A compaction that a crash cut short is finished.
            self._tasks.spawn(self._purge(self._engine.compacted), "purge")
        if self._retention or self._revisions:
            self._tasks.spawn_forever(self._run(), "auto-compaction")

    async def compact(self, revision: int, *, physical: bool = False) -> None:
        """Raises Compacted or FutureRevision. With `physical` it returns when the space has been given back."""
        self._engine.compact(revision)
        await self._engine.settled()
        purge = self._tasks.spawn(self._purge(revision), "purge")
        if physical:
            await asyncio.shield(purge)

    async def _purge(self, revision: int) -> None:
        engine = self._engine
        async with self._purging:
            keys = engine.index.compactable()
            for start in range(0, len(keys), STEP):
                gone: list[int] = []
                for key in keys[start : start + STEP]:
                    gone += engine.index.compact(key, revision)
                try:
                    await engine.forget(gone)
                except EtcdError as error:
                    log.warning("compaction stopped; it goes on at the next one", reason=str(error))
                    return
                await asyncio.sleep(0)

    async def _run(self) -> None:
        pause = max(self._retention / SAMPLES, 0.05) if self._retention else 10.0
        samples: deque[tuple[float, int]] = deque()
        while True:
            samples.append((self._clock.now(), self._engine.durable))
            await self._clock.sleep(pause)
            target = self._target(samples)
            if target <= max(self._engine.compacted, 1):
                continue
            try:
                await self.compact(target)
            except (Compacted, StoreUnavailable) as error:
                log.warning("automatic compaction was refused", revision=target, reason=str(error))

    def _target(self, samples: deque[tuple[float, int]]) -> int:
        target = self._engine.durable - self._revisions if self._revisions else 0
        while self._retention and samples and samples[0][0] <= self._clock.now() - self._retention:
            target = max(target, samples.popleft()[1])
        return target
