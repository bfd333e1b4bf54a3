"""One watcher: a bounded buffer between the cache, which never waits, and a client, which may."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from kube_actors.apiserver.cache.entry import Change, Frame
from kube_actors.apiserver.cache.selection import Selection


class EventType(Enum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One event for one watcher; the frame is shared by all of them."""

    type: EventType
    frame: Frame


class Watcher:
    """Receives changes from a bucket, gives events to one reader.

    Events of a batch are handed over together. When the reader falls `limit` changes behind, the
    watcher is cut: `cut` is set and its buffer is dropped; the reader tells its client to list again.
    """

    def __init__(self, selection: Selection, start: int, limit: int = 16_384) -> None:
        self.selection = selection
        self.cut = False
        self._start = start
        self._limit = limit
        self._buffer: deque[Change] = deque()
        self._ready = asyncio.Event()

    def push(self, change: Change) -> None:
        if change.revision <= self._start or self.cut:
            return
        if len(self._buffer) >= self._limit:
            self.cut = True
            self._buffer.clear()
        else:
            self._buffer.append(change)

    def wake(self) -> None:
        """The batch is complete."""
        if self._buffer or self.cut:
            self._ready.set()

    def close(self) -> None:
        """Cut from the outside: the cache has lost its place in history, or is stopping."""
        self.cut = True
        self._buffer.clear()
        self._ready.set()

    async def wait(self) -> None:
        """Until there is something to `take`, or the watcher was cut."""
        await self._ready.wait()

    def take(self, limit: int = 1024) -> list[WatchEvent]:
        """Up to `limit` changes' worth of events, without waiting; some changes give none."""
        count = min(limit, len(self._buffer))
        changes = [self._buffer.popleft() for _ in range(count)]
        if not self._buffer and not self.cut:
            self._ready.clear()
        return self.translate(changes)

    def translate(self, changes: Sequence[Change]) -> list[WatchEvent]:
        """What these changes are to this watcher: an object that leaves its selection is deleted for it."""
        events = []
        selection = self.selection
        for change in changes:
            new = change.new is not None and (selection.everything or selection.matches(change.new))
            old = change.old is not None and (selection.everything or selection.matches(change.old))
            if new:
                events.append(WatchEvent(EventType.MODIFIED if old else EventType.ADDED, change.put()))
            elif old:
                events.append(WatchEvent(EventType.DELETED, change.gone()))
        return events
