"""The objects of one resource: in key order, with their recent history and who watches them."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

from kube_actors.apiserver.cache.entry import Change, Entry, FieldReader
from kube_actors.apiserver.cache.selection import NAMESPACE, Trigger
from kube_actors.apiserver.cache.watcher import Watcher
from kube_actors.apiserver.cache.window import Window


class Bucket:
    """Fed by the cache alone; `changed` is the revision of the latest change.

    Watchers that ask for one value of a field (pods of a node, one object by name) are found by that
    value, so that a change costs what the watchers cost that it concerns.
    """

    def __init__(self, low: int, read_fields: FieldReader) -> None:
        self.read_fields = read_fields
        self.window = Window(low)
        self.changed = low
        # How many events have come, for metrics.
        self.received = 0
        self._entries: dict[str, Entry] = {}
        self._keys: list[str] = []
        self._wide: set[Watcher] = set()
        self._narrow: dict[Trigger, set[Watcher]] = {}
        # Field -> how many values of it are watched.
        self._trigger_fields: dict[str, int] = {}
        self._touched: set[Watcher] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def reread(self, read_fields: FieldReader) -> None:
        """From now on fields are read so; what was read of the present objects is forgotten."""
        self.read_fields = read_fields
        for entry in self._entries.values():
            entry.forget_index()

    def get(self, key: str) -> Entry | None:
        return self._entries.get(key)

    def fill(self, entries: list[Entry]) -> None:
        """The state to begin with, in key order."""
        self._entries.update((entry.key, entry) for entry in entries)
        self._keys = sorted(self._entries)

    def apply(self, key: str, new: Entry | None, revision: int) -> None:
        """One event of the store. Watchers get it with `flush`."""
        old = self._entries.get(key)
        if new is not None:
            self._entries[key] = new
            if old is None:
                self._insert(key)
        elif old is not None:
            del self._entries[key]
            del self._keys[bisect.bisect_left(self._keys, key)]
        else:
            return  # created and deleted in history that was not asked for
        change = Change(revision, new, old)
        self.changed = revision
        self.received += 1
        self.window.add(change)
        self._offer(change)

    def flush(self) -> None:
        """The batch is complete: let the watchers that it concerns read."""
        for watcher in self._touched:
            watcher.wake()
        self._touched.clear()

    def keys(self, namespace: str = "", start: str = "") -> tuple[int, int]:
        """The range of positions of a namespace's keys, or of all, from `start` on."""
        low, high = 0, len(self._keys)
        if namespace:
            low = bisect.bisect_left(self._keys, namespace + "/")
            high = bisect.bisect_left(self._keys, namespace + "0")  # "0" follows "/"
        if start:
            low = bisect.bisect_left(self._keys, start, low, high)
        return low, high

    def at(self, position: int) -> Entry:
        return self._entries[self._keys[position]]

    def entries(self, low: int, high: int) -> list[Entry]:
        """The entries of a range of positions."""
        entries = self._entries
        return [entries[key] for key in self._keys[low:high]]

    def watchers(self) -> Iterator[Watcher]:
        yield from self._wide
        for group in self._narrow.values():
            yield from group

    def attach(self, watcher: Watcher) -> None:
        trigger = watcher.selection.trigger()
        if trigger is None:
            self._wide.add(watcher)
            return
        group = self._narrow.get(trigger)
        if group is None:
            group = self._narrow[trigger] = set()
            self._trigger_fields[trigger[0]] = self._trigger_fields.get(trigger[0], 0) + 1
        group.add(watcher)

    def detach(self, watcher: Watcher) -> None:
        self._touched.discard(watcher)
        trigger = watcher.selection.trigger()
        if trigger is None:
            self._wide.discard(watcher)
            return
        group = self._narrow.get(trigger)
        if group is None:
            return
        group.discard(watcher)
        if not group:
            del self._narrow[trigger]
            self._trigger_fields[trigger[0]] -= 1
            if not self._trigger_fields[trigger[0]]:
                del self._trigger_fields[trigger[0]]

    def _insert(self, key: str) -> None:
        if not self._keys or key > self._keys[-1]:
            self._keys.append(key)
        else:
            bisect.insort(self._keys, key)

    def _offer(self, change: Change) -> None:
        for watcher in self._wide:
            watcher.push(change)
        self._touched |= self._wide
        if self._narrow:
            for trigger in self._triggers(change):
                group = self._narrow.get(trigger)
                if group:
                    for watcher in group:
                        watcher.push(change)
                    self._touched |= group

    def _triggers(self, change: Change) -> set[Trigger]:
        """The values that the object has and had, of the fields that someone watches."""
        found: set[Trigger] = set()
        for entry in (change.new, change.old):
            if entry is None:
                continue
            for field in self._trigger_fields:
                if field == NAMESPACE:
                    found.add((field, entry.key.partition("/")[0]))
                else:
                    found.add((field, entry.fields(self.read_fields).get(field, "")))
        return found
