"""Which record of a key is valid at which revision. In memory; rebuilt from the records at start.

    put a (2), put a (4), delete a (5)      heads = {a: (5t, ...)}   older = {a: [2, 4]}
    at(a, 3) -> 2      at(a, 4) -> 4      at(a, 5) -> None
    compact(3)         2 is kept: it is what revision 3 shows
    compact(4)         older = {a: [4]}
    compact(6)         nothing of a is left

Heads are plain tuples of integers and history is kept only for keys that have some: the garbage collector
does not track such tuples, and 100,000 keys cost little.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from kube_actors.store.records import MAIN_SHIFT, TOMBSTONE, first_id
from kube_actors.store.sorted_keys import SortedKeys

# (id of the latest record, create revision, version, lease)
Head = tuple[int, int, int, int]


class KeyIndex:
    def __init__(self) -> None:
        self.heads: dict[bytes, Head] = {}
        self._older: dict[bytes, list[int]] = {}
        self._dead: set[bytes] = set()
        self._keys = SortedKeys()

    def load(self, records: Iterable[tuple[int, bytes, int, int, int]]) -> None:
        """Fill from (id, key, create revision, version, lease) in the order of ids."""
        for record_id, key, create, version, lease in records:
            previous = self.heads.get(key)
            if previous is not None:
                self._older.setdefault(key, []).append(previous[0])
            self.heads[key] = (record_id, create, version, lease)
        self._dead = {key for key, head in self.heads.items() if head[0] & TOMBSTONE}
        self._keys = SortedKeys(self.heads)

    def live(self, key: bytes) -> Head | None:
        """The newest state of a key that exists."""
        head = self.heads.get(key)
        return None if head is None or head[0] & TOMBSTONE else head

    def push(self, key: bytes, head: Head) -> Head | None:
        """Make `head` the newest; the one before, for `undo`."""
        previous = self.heads.get(key)
        self.heads[key] = head
        if previous is None:
            self._keys.add(key)
        elif key in self._older:
            self._older[key].append(previous[0])
        else:
            self._older[key] = [previous[0]]
        if head[0] & TOMBSTONE:
            self._dead.add(key)
        elif previous is not None:
            self._dead.discard(key)
        return previous

    def undo(self, key: bytes, previous: Head | None) -> None:
        """Take the latest `push` of this key back."""
        if previous is None:
            del self.heads[key]
            self._older.pop(key, None)
            self._dead.discard(key)
            self._keys.remove(key)
            return
        self.heads[key] = previous
        older = self._older.get(key)
        if older and older[-1] == previous[0]:
            older.pop()
            if not older:
                del self._older[key]
        if previous[0] & TOMBSTONE:
            self._dead.add(key)
        else:
            self._dead.discard(key)

    def at(self, key: bytes, revision: int) -> int | None:
        """The id of the record that shows the key at a revision, None if it does not exist there."""
        head = self.heads.get(key)
        if head is None:
            return None
        found: int | None = head[0]
        if head[0] >> MAIN_SHIFT > revision:
            found = self._last_before(key, first_id(revision + 1))
        return None if found is None or found & TOMBSTONE else found

    def previous(self, key: bytes, record_id: int) -> int | None:
        """The id of the record that this one replaced, None if there was none or it is compacted."""
        found = self._last_before(key, record_id & ~TOMBSTONE)
        return None if found is None or found & TOMBSTONE else found

    def range(self, start: bytes, end: bytes | None, revision: int) -> Iterator[tuple[bytes, int]]:
        """(key, id) of what exists at a revision in [start, end), in order."""
        heads, limit = self.heads, first_id(revision + 1)
        for key in self._keys.between(start, end):
            found: int | None = heads[key][0]
            if found is not None and found >= limit:
                found = self._last_before(key, limit)
            if found is not None and not found & TOMBSTONE:
                yield key, found

    def compactable(self) -> list[bytes]:
        """Keys of which something may be forgotten."""
        return [*self._older, *(self._dead - self._older.keys())]

    def compact(self, key: bytes, revision: int) -> list[int]:
        """Forget what only revisions before this one show; the ids of the records to delete.

        A deletion at exactly this revision stays until the next compaction: a watch may start there.
        """
        head = self.heads.get(key)
        if head is None:
            return []
        limit = first_id(revision + 1)
        if head[0] < limit:
            gone = self._older.pop(key, [])
            if head[0] & TOMBSTONE and head[0] < first_id(revision):
                gone.append(head[0])
                del self.heads[key]
                self._dead.discard(key)
                self._keys.remove(key)
            return gone
        older = self._older.get(key)
        if not older:
            return []
        cut = bisect_left(older, limit)
        if cut and not (older[cut - 1] & TOMBSTONE and older[cut - 1] < first_id(revision)):
            cut -= 1
        gone = older[:cut]
        del older[:cut]
        if not older:
            del self._older[key]
        return gone

    def _last_before(self, key: bytes, limit: int) -> int | None:
        head = self.heads.get(key)
        if head is not None and head[0] & ~TOMBSTONE < limit:
            return head[0]
        older = self._older.get(key)
        if not older:
            return None
        at = bisect_left(older, limit)
        return older[at - 1] if at else None
