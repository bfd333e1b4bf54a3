"""Who watches what, and how far each is.

The recent history is one ring that all watchers read, each from its own place: a commit appends to the
ring and wakes the streams it concerns, and never waits. A watcher behind the ring reads the file; one
behind the compaction is told so. So a slow watcher costs nothing but its own delay.

    commit: 7 8 9 -> ring [... 5 6 7 8 9]     watcher a: next 7, pending 8 (7 does not concern it)
                                              watcher b: next 3: not in the ring, from the file
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kube_actors.store.engine import Engine
from kube_actors.store.errors import Compacted
from kube_actors.store.group import Change
from kube_actors.store.records import SIZE, TOMBSTONE, first_id, main_of

RING_CHANGES = 20_000
RING_BYTES = 32 << 20
# One response: about that many events and bytes, and always whole revisions.
BATCH_CHANGES = 1000
BATCH_BYTES = 1 << 20
# Records of the file looked at in one step.
SCAN = 1000


@dataclass(slots=True, eq=False)
class Watcher:
    """A range and a place in the history. `next`: the first revision not delivered yet. `pending`: from
    where to look, None while there is nothing."""

    start: bytes
    end: bytes | None
    next: int
    wake: Callable[[], None] = field(repr=False)
    puts: bool = True
    deletes: bool = True
    pending: int | None = None

    def wants(self, change: Change) -> bool:
        key = change.key
        if key < self.start or (self.end is not None and key >= self.end):
            return False
        return self.deletes if change.record_id & TOMBSTONE else self.puts


class WatchHub:
    """The watchers of one engine."""

    def __init__(
        self,
        engine: Engine,
        *,
        ring_changes: int = RING_CHANGES,
        ring_bytes: int = RING_BYTES,
        batch_changes: int = BATCH_CHANGES,
        scan: int = SCAN,
    ) -> None:
        self._engine = engine
        self._ring: list[Change] = []
        self._ring_from = engine.durable + 1
        self._ring_size = 0
        self._limits = ring_changes, ring_bytes
        self._batch = batch_changes
        self._scan = scan
        self._keys: dict[bytes, set[Watcher]] = {}
        self._ranges: dict[tuple[bytes, bytes | None], set[Watcher]] = {}

    def reset(self) -> None:
        """Begin at what the engine has loaded."""
        self._ring_from = self._engine.durable + 1

    def __len__(self) -> int:
        return sum(map(len, self._keys.values())) + sum(map(len, self._ranges.values()))

    def add(self, watcher: Watcher) -> None:
        if watcher.end == watcher.start + b"\0":
            self._keys.setdefault(watcher.start, set()).add(watcher)
        else:
            self._ranges.setdefault((watcher.start, watcher.end), set()).add(watcher)
        if watcher.next <= self._engine.durable:
            watcher.pending = watcher.next
            watcher.wake()

    def remove(self, watcher: Watcher) -> None:
        _discard(self._keys, watcher.start, watcher)
        _discard(self._ranges, (watcher.start, watcher.end), watcher)

    def publish(self, changes: list[Change], revision: int) -> None:
        """A commit has happened: its changes, and the revision after it."""
        self._ring.extend(changes)
        self._ring_size += sum(len(change.record) for change in changes)
        self._trim()
        if self._keys:
            for change in changes:
                watchers = self._keys.get(change.key)
                if watchers:
                    self._mark(watchers, main_of(change.record_id))
        for (start, end), watchers in self._ranges.items():
            for change in changes:
                if change.key >= start and (end is None or change.key < end):
                    self._mark(watchers, main_of(change.record_id))
                    break

    def _mark(self, watchers: Iterable[Watcher], revision: int) -> None:
        # A watch that starts in the future stays pending until the store is there: it sees nothing before.
        for watcher in watchers:
            if watcher.pending is None:
                watcher.pending = max(revision, watcher.next)
                watcher.wake()

    def take(self, watcher: Watcher) -> list[Change]:
        """The next changes for a watcher, whole revisions; it has caught up when `pending` is None.

        May be empty while there is more to look at. Raises Compacted.
        """
        durable = self._engine.durable
        if watcher.pending is None or watcher.pending > durable:
            watcher.pending = None
            return []
        if watcher.pending < self._engine.compacted:
            raise Compacted(compact_revision=self._engine.compacted)
        if watcher.pending >= self._ring_from:
            found, through = self._from_ring(watcher, watcher.pending)
        else:
            found, through = self._from_file(watcher, watcher.pending)
        watcher.next = through + 1
        watcher.pending = watcher.next if watcher.next <= durable else None
        return found

    def _from_ring(self, watcher: Watcher, revision: int) -> tuple[list[Change], int]:
        ring = self._ring
        found: list[Change] = []
        size = 0
        for at in range(bisect_left(ring, first_id(revision), key=_record_id), len(ring)):
            change = ring[at]
            if not watcher.wants(change):
                continue
            main = main_of(change.record_id)
            if (len(found) >= self._batch or size >= BATCH_BYTES) and main != main_of(found[-1].record_id):
                return found, main - 1
            found.append(change)
            size += len(change.record)
        return found, self._engine.durable

    def _from_file(self, watcher: Watcher, revision: int) -> tuple[list[Change], int]:
        # Up to the ring or the newest durable revision; a revision that a step cuts is read on to its end.
        limit = first_id(self._engine.durable + 1)
        rows = self._engine.scan(first_id(max(revision, 0)), self._scan)
        while len(rows) >= self._scan:
            more = self._engine.scan(rows[-1][0] + 1, self._scan)
            cut = next((i for i, row in enumerate(more) if main_of(row[0]) != main_of(rows[-1][0])), len(more))
            rows.extend(more[:cut])
            if cut < len(more) or not more:
                break
        found: list[Change] = []
        for record_id, record in rows:
            if record_id >= limit:
                break
            key = decode_key(record)
            change = Change(record_id, key, record, 0)
            if watcher.wants(change):
                found.append(change._replace(replaced=self._engine.index.previous(key, record_id) or 0))
        through = main_of(rows[-1][0]) if len(rows) >= self._scan else self._engine.durable
        return found, min(through, self._engine.durable)

    def _trim(self) -> None:
        count, size = self._limits
        # Only now and then: cutting the head of a list moves the rest.
        if len(self._ring) <= 2 * count and self._ring_size <= 2 * size:
            return
        keep = len(self._ring)
        kept = 0
        while keep > 0 and len(self._ring) - keep < count and kept + len(self._ring[keep - 1].record) <= size:
            keep -= 1
            kept += len(self._ring[keep].record)
        if keep:
            self._ring_from = main_of(self._ring[keep - 1].record_id) + 1
            del self._ring[:keep]
            self._ring_size = kept


def decode_key(record: bytes) -> bytes:
    return record[SIZE : SIZE + int.from_bytes(record[4:8], "big")]


def _record_id(change: Change) -> int:
    return change.record_id


def _discard(groups: dict, key: object, watcher: Watcher) -> None:  # type: ignore[type-arg]
    watchers = groups.get(key)
    if watchers is not None:
        watchers.discard(watcher)
        if not watchers:
            del groups[key]
