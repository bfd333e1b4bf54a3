"""An ordered set of keys: a list of sorted lists, so that an insertion moves a thousand pointers at most."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator

_FULL = 1024


class SortedKeys:
    def __init__(self, keys: Iterable[bytes] = ()) -> None:
        ordered = sorted(keys)
        half = _FULL // 2
        self._chunks = [ordered[i : i + half] for i in range(0, len(ordered), half)]
        self._firsts = [chunk[0] for chunk in self._chunks]

    def add(self, key: bytes) -> None:
        """The caller knows that the key is not in the set."""
        if not self._chunks:
            self._chunks.append([key])
            self._firsts.append(key)
            return
        at = max(bisect_right(self._firsts, key) - 1, 0)
        chunk = self._chunks[at]
        insort(chunk, key)
        self._firsts[at] = chunk[0]
        if len(chunk) > _FULL:
            half = len(chunk) // 2
            self._chunks[at : at + 1] = [chunk[:half], chunk[half:]]
            self._firsts[at : at + 1] = [chunk[0], chunk[half]]

    def remove(self, key: bytes) -> None:
        """The caller knows that the key is in the set."""
        at = bisect_right(self._firsts, key) - 1
        chunk = self._chunks[at]
        del chunk[bisect_left(chunk, key)]
        if chunk:
            self._firsts[at] = chunk[0]
        else:
            del self._chunks[at]
            del self._firsts[at]

    def between(self, start: bytes, end: bytes | None) -> Iterator[bytes]:
        """Keys of [start, end) in order; to the last one for None. The set must not change meanwhile."""
        at = max(bisect_right(self._firsts, start) - 1, 0)
        for index in range(at, len(self._chunks)):
            chunk = self._chunks[index]
            low = bisect_left(chunk, start) if index == at else 0
            if end is not None and chunk[-1] >= end:
                yield from chunk[low : bisect_left(chunk, end)]
                return
            yield from chunk[low:] if low else chunk
