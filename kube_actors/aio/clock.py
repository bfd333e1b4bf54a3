"""Time as a dependency: components ask a `Clock`, tests give them one of their own."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import time
from typing import Protocol


class Clock(Protocol):
    """Where a component gets the time from."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""

    async def sleep(self, seconds: float) -> None:
        """Wait; cancellable."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()  # noqa: TID251  (the one place)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class TickingClock:
    """A clock whose sleepers wake together, at ticks of the loop's time: what they do then can be done as one."""

    def __init__(self, clock: Clock, tick: float) -> None:
        self._clock, self._tick = clock, tick

    def now(self) -> float:
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        """Until the first tick after that time."""
        loop = asyncio.get_running_loop()
        wake = loop.create_future()
        ticks = math.ceil((loop.time() + seconds) / self._tick)
        timer = loop.call_at(ticks * self._tick, _wake, wake)
        try:
            await wake
        finally:
            timer.cancel()


class LoopClock:
    """A clock that follows the event loop's time, for tests in virtual time: `epoch` plus the loop's."""

    def __init__(self, epoch: float = 1_700_000_000.0) -> None:
        self._epoch = epoch

    def now(self) -> float:
        return self._epoch + asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def rfc3339(seconds: float) -> str:
    """Kubernetes' `Time`: `2026-01-02T03:04:05Z`."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(seconds: float) -> str:
    """Kubernetes' `MicroTime`: `2026-01-02T03:04:05.000006Z`."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> float:
    """Seconds since the epoch of a `Time` or `MicroTime`. Raises ValueError."""
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
