"""Reads the log files that a supervisor writes; see shim/logfile.py for the format."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kube_actors.aio.clock import Clock
from kube_actors.node.runtime.interface import LogOptions
from kube_actors.node.runtime.process.shim.logfile import numbered, stamp

# While somebody follows, the file is looked at this often.
FOLLOW_SECONDS = 0.1
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One record. `whole` is false for a part of a line that goes on in the next record of the stream."""

    stamp: bytes
    stream: bytes
    whole: bool
    content: bytes

    @classmethod
    def parse(cls, record: bytes) -> Line | None:
        """None for what is no record, such as the torn end of a file after a full disk."""
        parts = record.split(b" ", 3)
        if len(parts) != 4 or parts[2] not in (b"F", b"P"):
            return None
        return cls(parts[0], parts[1], parts[2] == b"F", parts[3])

    def shown(self, timestamps: bool) -> bytes:
        head = self.stamp + b" " if timestamps else b""
        return head + self.content + (b"\n" if self.whole else b"")


def open_files(path: Path, after: BinaryIO | None = None) -> deque[BinaryIO]:
    """The files of a log as they stand at one moment, oldest first; with `after` only those that are newer than it."""
    known = 0 if after is None else _inode(after)
    while True:
        found = _open_from_the_newest(path, known)
        # While the first is in its place, no more than one rotation can have begun.
        if not found or _inode_at(path) in (0, _inode(found[-1])):
            return found
        for file in found:
            file.close()


def _open_from_the_newest(path: Path, known: int) -> deque[BinaryIO]:
    """Down to the file with the inode `known`. A rotation, which gives files higher numbers, hides none from who
    goes the same way; that he may meet one twice, or find a gap, is seen to."""
    found: deque[BinaryIO] = deque()
    number = -1
    while (number := number + 1) <= _highest(path):
        try:
            file = open(numbered(str(path), number), "rb")  # noqa: SIM115
        except FileNotFoundError:
            continue
        if _inode(file) == known:
            file.close()
            break
        if found and _inode(file) == _inode(found[0]):
            file.close()
        else:
            found.appendleft(file)
    return found


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


def _inode_at(path: Path) -> int:
    """0 where nothing is."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _highest(path: Path) -> int:
    suffixes = (entry.suffix[1:] for entry in path.parent.glob(f"{path.name}.*"))
    return max((int(suffix) for suffix in suffixes if suffix.isdigit()), default=0)


def skip_to_tail(files: deque[BinaryIO], count: int) -> None:
    """Close and drop files, and move on in the oldest that is left, up to the last `count` lines of all together."""
    lines = 0
    for index in reversed(range(len(files))):
        for record, end in _backwards(files[index]):
            line = Line.parse(record)
            # The last line may have no end yet.
            lines += line is not None and (line.whole or not lines)
            if lines > count:
                for _ in range(index):
                    files.popleft().close()
                files[0].seek(end)
                return
        files[index].seek(0)


def _backwards(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """The records of a file with the positions at which they end, from the last one on."""
    position = end = size = file.seek(0, os.SEEK_END)
    held = b""
    while position > 0:
        start = max(0, position - _CHUNK)
        file.seek(start)
        held, *records = (file.read(position - start) + held).split(b"\n")
        position = start
        for record in reversed(records):
            # What follows the last line end is still being written.
            if end < size:
                yield record, end + 1
            end -= len(record) + 1
    if end < size:
        yield held, end + 1


class Formatter:
    """Records in, what the user sees out; holds back what is older than `since`, and cuts at `limit_bytes`."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._left = options.limit_bytes
        # Stamps are ordered as bytes are. What was asked for has microseconds at most.
        self._since = stamp(round(options.since * 10**6) * 1000)
        self._within_line: dict[bytes, bool] = {}

    @property
    def done(self) -> bool:
        return self._left == 0

    def show(self, records: list[bytes]) -> bytes:
        out = []
        for record in records:
            line = Line.parse(record)
            if line is None or line.stamp < self._since:
                continue
            # A time stands before a line once, not before each of its parts.
            out.append(line.shown(self._options.timestamps and not self._within_line.get(line.stream, False)))
            self._within_line[line.stream] = not line.whole
        data = b"".join(out)
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        return data


async def read_logs(path: Path, options: LogOptions, ended: Callable[[], bool], clock: Clock) -> AsyncIterator[bytes]:
    """What the log holds, then with `follow` what comes, until the container has `ended` or its files are gone."""
    formatter = Formatter(options)
    files = open_files(path)
    try:
        if options.tail is not None:
            skip_to_tail(files, options.tail)
        while files and not formatter.done:
            current = files[0]
            # Both are asked before reading: what was written before the end is read, and a file that has
            # followers is complete. All of these are open now: whatever becomes of their names, none is lost.
            last = len(files) == 1 and (not options.follow or ended())
            if len(files) == 1 and options.follow:
                files.extend(open_files(path, after=current))
            partial = b""
            while data := current.read(_CHUNK):
                *records, partial = (partial + data).split(b"\n")
                if shown := formatter.show(records):
                    yield shown
                if formatter.done:
                    return
            if len(files) > 1:
                files.popleft().close()
                continue
            if last:
                return
            # Only what has its end is a record.
            current.seek(-len(partial), os.SEEK_CUR)
            await clock.sleep(FOLLOW_SECONDS)
    finally:
        for file in files:
            file.close()
