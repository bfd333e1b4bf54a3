"""Work queues with the contract of client-go's util/workqueue.

-   Fair: items are processed in the order in which they were added.
-   Stingy: an item is never processed by two workers at once, and one that is added many times before
    it is processed is processed once.
-   An item that is added while it is being processed is processed again afterwards.
-   Many workers, many producers; after `shut_down` workers drain the queue, then `get` gives None.

            add                     get                       done
    ───────────────> dirty, queued ─────> processing ───────────────────> gone
                        ^                     │ add: dirty again
                        └──────── done ───────┘

The queue is as long as there are distinct keys, which bounds it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Queue(Generic[T]):
    """The queue alone: dirty, processing, order."""

    def __init__(self) -> None:
        self._order: deque[T] = deque()
        self._dirty: set[T] = set()
        self._processing: set[T] = set()
        self._getters: deque[asyncio.Future[None]] = deque()
        self._shut_down = False

    def __len__(self) -> int:
        """Items that wait to be processed."""
        return len(self._order)

    @property
    def is_shut_down(self) -> bool:
        return self._shut_down

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is being processed."""
        return not self._dirty and not self._processing

    def add(self, item: T) -> None:
        """Ask for `item` to be processed. Ignored after `shut_down`."""
        if self._shut_down or item in self._dirty:
            return
        self._dirty.add(item)
        if item not in self._processing:
            self._push(item)

    async def get(self) -> T | None:
        """The next item, which the caller must give back with `done`; None after shut down and drained."""
        while not self._order:
            if self._shut_down:
                return None
            getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._getters.append(getter)
            try:
                await getter
            except asyncio.CancelledError:
                if getter in self._getters:
                    self._getters.remove(getter)
                elif self._order:
                    # It was woken for an item that another worker has to take now.
                    self._wake()
                raise
        item = self._order.popleft()
        self._processing.add(item)
        self._dirty.discard(item)
        return item

    def done(self, item: T) -> None:
        """The item was processed; where it was added meanwhile it is queued again."""
        self._processing.discard(item)
        if item in self._dirty:
            self._push(item)

    def shut_down(self) -> None:
        """Accept nothing more; workers drain what is queued."""
        self._shut_down = True
        while self._getters:
            self._wake()

    def _push(self, item: T) -> None:
        self._order.append(item)
        self._wake()

    def _wake(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return


class Delays(Generic[T]):
    """Items that join a queue later. An item that waits already waits for the earlier of the two times."""

    def __init__(self, queue: Queue[T]) -> None:
        self._queue = queue
        self._timers: dict[T, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._timers)

    def add(self, item: T, seconds: float) -> None:
        if self._queue.is_shut_down:
            return
        if seconds <= 0:
            self._queue.add(item)
            return
        loop = asyncio.get_running_loop()
        waiting = self._timers.get(item)
        if waiting is not None:
            if waiting.when() <= loop.time() + seconds:
                return
            waiting.cancel()
        self._timers[item] = loop.call_later(seconds, self._ripe, item)

    def clear(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _ripe(self, item: T) -> None:
        del self._timers[item]
        self._queue.add(item)


@dataclass(slots=True)
class RateLimiter(Generic[T]):
    """Per item: `base` seconds, doubled with each failure, up to `maximum` (client-go's defaults)."""

    base: float = 0.005
    maximum: float = 1000.0
    _failures: dict[T, int] = field(default_factory=dict)

    def when(self, item: T) -> float:
        """How long to wait before the item is tried again; counts a failure."""
        failures = self._failures.get(item, 0)
        self._failures[item] = failures + 1
        return min(self.base * 2.0 ** min(failures, 64), self.maximum)

    def forget(self, item: T) -> None:
        """The item succeeded, or is given up."""
        self._failures.pop(item, None)

    def failures(self, item: T) -> int:
        return self._failures.get(item, 0)


class WorkQueue(Queue[T]):
    """A queue with delays and a rate limit per item.

    A worker:

        while (key := await queue.get()) is not None:
            try: sync(key); queue.forget(key)        failed: queue.add_rate_limited(key)
            finally: queue.done(key)
    """

    def __init__(self, limiter: RateLimiter[T] | None = None) -> None:
        super().__init__()
        self._limiter = limiter or RateLimiter()
        self._delays = Delays(self)

    def add_after(self, item: T, seconds: float) -> None:
        """Add after a time. Delays follow the event loop's time."""
        self._delays.add(item, seconds)

    def add_rate_limited(self, item: T) -> None:
        """Add again after a failure, later each time."""
        self._delays.add(item, self._limiter.when(item))

    def forget(self, item: T) -> None:
        """Clear the item's failures. It stays queued where it is."""
        self._limiter.forget(item)

    def num_requeues(self, item: T) -> int:
        return self._limiter.failures(item)

    def shut_down(self) -> None:
        self._delays.clear()
        super().shut_down()
