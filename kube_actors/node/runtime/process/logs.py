"""Reads the log files that a supervisor writes; see shim/logfile.py for the format."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kube_actors.aio.clock import Clock, parse_rfc3339
from kube_actors.node.runtime.interface import LogOptions

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

    def seconds(self) -> float:
        # datetime knows six digits of a second.
        return parse_rfc3339(self.stamp[:26].decode() + "Z")


def log_files(path: Path) -> list[Path]:
    """The rotated files and the current one, oldest first."""
    rotated = [entry for entry in path.parent.glob(f"{path.name}.*") if entry.suffix[1:].isdigit()]
    return [*sorted(rotated, key=lambda entry: -int(entry.suffix[1:])), path]


def last_records(paths: list[Path], count: int, end: int) -> list[bytes]:
    """The records of the last `count` whole lines of the files together; the newest file is read up to `end`."""
    found: list[bytes] = []
    whole = 0
    for path in reversed(paths):
        with suppress(FileNotFoundError), path.open("rb") as file:
            for record in _backwards(file, end if path == paths[-1] else file.seek(0, 2)):
                line = Line.parse(record)
                whole += line is not None and (line.whole or not found)
                if whole > count:
                    return found[::-1]
                found.append(record)
    return found[::-1]


def _backwards(file: BinaryIO, position: int) -> Iterator[bytes]:
    rest = b""
    while position > 0:
        size = min(_CHUNK, position)
        position -= size
        file.seek(position)
        head, *lines = (file.read(size) + rest).split(b"\n")
        rest = head
        yield from (line for line in reversed(lines) if line)
    if rest:
        yield rest


class Formatter:
    """Records in, what the user sees out; holds back what is older than `since`, and cuts at `limit_bytes`."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._left = options.limit_bytes
        self._within_line: dict[bytes, bool] = {}

    @property
    def done(self) -> bool:
        return self._left == 0

    def show(self, records: list[bytes]) -> bytes:
        out = []
        for record in records:
            line = Line.parse(record)
            if line is None or (self._options.since and line.seconds() < self._options.since):
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
    try:
        current = path.open("rb")
    except FileNotFoundError:
        return
    try:
        older = log_files(path)[:-1]
        if options.tail is None:
            for file in older:
                with suppress(FileNotFoundError), file.open("rb") as opened:
                    while records := opened.readlines(_CHUNK):
                        yield formatter.show([record.rstrip(b"\n") for record in records])
                        if formatter.done:
                            return
        else:
            end = current.seek(0, 2)
            if data := formatter.show(last_records([*older, path], options.tail, end) if options.tail else []):
                yield data
            current.seek(end)
        async for data in _follow(current, path, options.follow, ended, clock, formatter):
            yield data
    finally:
        current.close()


async def _follow(
    current: BinaryIO, path: Path, follow: bool, ended: Callable[[], bool], clock: Clock, formatter: Formatter
) -> AsyncIterator[bytes]:
    """`current` may be replaced by rotation; it is then read to its end, and the new file from its start."""
    partial = b""
    opened: list[BinaryIO] = []
    try:
        while not formatter.done:
            # Asked before reading: what is written before the end is read.
            last = not follow or ended()
            replaced = follow and _is_replaced(current, path)
            while data := current.read(_CHUNK):
                *records, partial = (partial + data).split(b"\n")
                if shown := formatter.show(records):
                    yield shown
                if formatter.done:
                    return
            if replaced:
                with suppress(FileNotFoundError):
                    current = path.open("rb")
                    opened.append(current)
                    continue
            if last:
                return
            await clock.sleep(FOLLOW_SECONDS)
    finally:
        for file in opened:
            file.close()


def _is_replaced(current: BinaryIO, path: Path) -> bool:
    try:
        now = path.stat()
    except FileNotFoundError:
        return False
    return now.st_ino != os.fstat(current.fileno()).st_ino
