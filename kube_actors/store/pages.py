"""Reads an LMDB file with every step checked, before LMDB itself may touch it.

LMDB trusts its file: a flipped byte in a page makes it return other data, or ends the process. So at start
the file is walked once here: every page that is in use is where it says it is, is used once, and holds what
its neighbours say; every value goes through the caller's checksum. Pages that nothing uses may hold anything.

    0, 1: meta pages (the one with the greater transaction id counts)
    main tree: name -> table's root       free tree: transaction id -> page numbers       one tree a table
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

_PAGE = struct.Struct("<QHHHH")  # number, padding, flags, lower, upper
_META = struct.Struct("<IIQQ")  # magic, version, address, map size
_TREE = struct.Struct("<IHHQQQQQ")  # padding, flags, depth, branch, leaf, overflow pages, entries, root
_NODE = struct.Struct("<HHHH")  # size low, size high, flags, key size
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BRANCH, _LEAF, _OVERFLOW, _IS_META = 1, 2, 4, 8
# Bits that LMDB uses in memory and may leave on disk.
_VOLATILE = 0x10 | 0x4000 | 0x8000
_BIG, _SUBTREE = 1, 2
_NONE = (1 << 64) - 1
_HEADER = 16
_FREE, _MAIN = 0, 1
_DEPTH = 32


class Damaged(Exception):
    """The file is not what LMDB wrote; the text says where."""


class Tree(NamedTuple):
    padding: int
    flags: int
    depth: int
    branches: int
    leaves: int
    overflow: int
    entries: int
    root: int


class Pages:
    """The newest state of an LMDB file. Nobody may write meanwhile. Raises Damaged, wherever it is met."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            try:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise Damaged("it is empty") from error
        try:
            self._size = _page_size(self._map)
            free, main, self._last = self._newest()
            self._used = bytearray(self._last + 1)
            self._used[0] = self._used[1] = 1
            # LMDB keeps the page size where other trees have padding.
            self._free = free._replace(padding=0)
            self.tables = {bytes(name): self._subtree(value) for name, value in self._items(main, tables=True)}
        except BaseException:
            self._map.close()
            raise

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._map.close()

    def items(self, table: bytes) -> Iterator[tuple[bytes, bytes]]:
        """(key, value) of a table in order. Each table can be read once."""
        return self._items(self.tables[table])

    def check_free(self) -> None:
        """No page that LMDB believes to be free is in use. To be called when all tables have been read."""
        for _, value in self._items(self._free):
            (count,) = struct.unpack_from("<Q", value)
            if len(value) < 8 * (count + 1):
                raise Damaged("a list of free pages is too short")
            for number in struct.unpack_from(f"<{count}Q", value, 8):
                if number > self._last or self._used[number]:
                    raise Damaged(f"page {number} is said to be free and is not")
                self._used[number] = 1

    def _newest(self) -> tuple[Tree, Tree, int]:
        found = []
        for number in (0, 1):
            at = number * self._size
            page, _, flags, _, _ = self._unpack(_PAGE, at)
            magic, version, _, _ = self._unpack(_META, at + _HEADER)
            if (page, flags & ~_VOLATILE, magic, version) != (number, _IS_META, _MAGIC, _VERSION):
                raise Damaged(f"meta page {number}")
            trees = at + _HEADER + _META.size
            free = Tree(*self._unpack(_TREE, trees))
            main = Tree(*self._unpack(_TREE, trees + _TREE.size))
            last, transaction = self._unpack(struct.Struct("<QQ"), trees + 2 * _TREE.size)
            if free.padding != self._size or (transaction and transaction & 1 != number):
                raise Damaged(f"meta page {number}")
            found.append((transaction, free, main, last))
        if abs(found[0][0] - found[1][0]) > 1:
            raise Damaged("the meta pages are not neighbours")
        _, free, main, last = max(found, key=lambda each: each[0])
        # Pages at the end that were never used need not be in the file; one that is used is checked when read.
        if last > len(self._map) // self._size + (1 << 20):
            raise Damaged("the number of pages")
        return free, main, last

    def _unpack(self, what: struct.Struct, at: int) -> tuple[int, ...]:
        try:
            return what.unpack_from(self._map, at)
        except struct.error as error:
            raise Damaged(f"it ends at byte {len(self._map)}") from error

    def _subtree(self, value: bytes) -> Tree:
        if len(value) != _TREE.size:
            raise Damaged("a table's root")
        return Tree(*_TREE.unpack(value))

    def _items(self, tree: Tree, *, tables: bool = False) -> Iterator[tuple[bytes, bytes]]:
        counts = [0, 0, 0, 0]
        if tree.root == _NONE:
            if tree.depth or tree.entries:
                raise Damaged("a table without a root")
            return
        if tree.depth > _DEPTH:
            raise Damaged("the depth of a table")
        yield from self._walk(tree.root, tree.depth, counts, _SUBTREE if tables else 0)
        if counts != [tree.branches, tree.leaves, tree.overflow, tree.entries]:
            raise Damaged(f"a table has {counts[3]} entries and should have {tree.entries}")

    def _claim(self, number: int, pages: int = 1) -> int:
        """Where a page begins; it is used now."""
        if number + pages > self._last + 1 or any(self._used[number : number + pages]):
            raise Damaged(f"page {number} is used twice or does not exist")
        self._used[number : number + pages] = b"\1" * pages
        if (number + pages) * self._size > len(self._map):
            raise Damaged(f"it has {len(self._map)} bytes and page {number} is beyond")
        return number * self._size

    def _walk(self, number: int, depth: int, counts: list[int], node_flags: int) -> Iterator[tuple[bytes, bytes]]:
        at = self._claim(number)
        page, _, flags, lower, upper = _PAGE.unpack_from(self._map, at)
        kind = _LEAF if depth == 1 else _BRANCH
        if page != number or flags & ~_VOLATILE != kind or not _HEADER < lower <= upper <= self._size:
            raise Damaged(f"page {number}")
        data = self._map[at : at + self._size]
        offsets = struct.unpack_from(f"<{(lower - _HEADER) // 2}H", data, _HEADER)
        if min(offsets) < upper or max(offsets) + _NODE.size > self._size:
            raise Damaged(f"page {number}: an entry outside")
        counts[0 if kind == _BRANCH else 1] += 1
        if kind == _LEAF:
            yield from self._leaf(number, data, offsets, counts, node_flags)
            return
        for offset in offsets:
            low, high, top, _ = _NODE.unpack_from(data, offset)
            yield from self._walk(low | high << 16 | top << 32, depth - 1, counts, node_flags)

    def _leaf(
        self, number: int, data: bytes, offsets: tuple[int, ...], counts: list[int], node_flags: int
    ) -> Iterator[tuple[bytes, bytes]]:
        size = self._size
        unpack = _NODE.unpack_from
        counts[3] += len(offsets)
        for offset in offsets:
            low, high, flags, key_size = unpack(data, offset)
            begin = offset + 8 + key_size
            length = low | high << 16
            key = data[offset + 8 : begin]
            if flags == _BIG:
                yield key, self._overflow(number, data, begin, length, counts)
                continue
            if flags != node_flags or begin + length > size:
                raise Damaged(f"page {number}: an entry's size")
            yield key, data[begin : begin + length]

    def _overflow(self, number: int, data: bytes, begin: int, length: int, counts: list[int]) -> bytes:
        if begin + 8 > self._size:
            raise Damaged(f"page {number}: an entry's size")
        first = int.from_bytes(data[begin : begin + 8], "little")
        pages = (_HEADER + length - 1) // self._size + 1
        if first > self._last or pages > self._last:
            raise Damaged(f"page {number}: a value outside")
        at = self._claim(first, pages)
        page, _, flags, low, high = _PAGE.unpack_from(self._map, at)
        if page != first or flags & ~_VOLATILE != _OVERFLOW or low | high << 16 != pages:
            raise Damaged(f"page {first}")
        counts[2] += pages
        return self._map[at + _HEADER : at + _HEADER + length]


def _page_size(data: mmap.mmap) -> int:
    # The padding of the free tree in meta page 0; the second meta page must agree.
    at = _HEADER + _META.size
    size = int.from_bytes(data[at : at + 4], "little")
    if size not in (1 << bits for bits in range(9, 17)) or len(data) < 2 * size:
        raise Damaged("it does not begin as a store does")
    return size
