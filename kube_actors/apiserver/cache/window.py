"""The history of a resource: the latest changes, so that a watcher can begin in the past."""

from __future__ import annotations

import bisect
from collections import deque
from itertools import islice
from operator import attrgetter

from kube_actors.apiserver.cache.entry import Change

_revision = attrgetter("revision")


class Window:
    """Changes in the order of revisions. All changes after `low` are here; what is older was dropped.

    Bounded by count and by the bytes of the objects held, so that history costs no more memory than is
    set aside for it, however large the objects are.
    """

    def __init__(self, low: int, max_changes: int = 10_000, max_bytes: int = 32 << 20) -> None:
        self.low = low
        self.max_changes = max_changes
        self._max_bytes = max_bytes
        self._changes: deque[Change] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._changes)

    def add(self, change: Change) -> None:
        self._changes.append(change)
        self._bytes += _size(change)
        while len(self._changes) > self.max_changes or self._bytes > self._max_bytes:
            dropped = self._changes.popleft()
            self._bytes -= _size(dropped)
            self.low = dropped.revision

    def since(self, revision: int) -> list[Change]:
        """Changes after `revision`, which is not below `low`."""
        if not self._changes or self._changes[-1].revision <= revision:
            return []
        start = bisect.bisect_right(self._changes, revision, key=_revision)
        return list(islice(self._changes, start, None))


def _size(change: Change) -> int:
    return len(change.new.data) if change.new is not None else 100
