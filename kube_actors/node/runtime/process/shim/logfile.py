"""A container's output as log lines, in the format of Kubernetes' Container Runtime Interface.

    2026-01-02T03:04:05.123456789Z stdout F a whole line
    2026-01-02T03:04:05.123456789Z stderr P the first part of a long one

A file that has grown to `max_bytes` becomes log.1, log.1 becomes log.2, and so on up to `max_files` in all.
"""

from __future__ import annotations

import contextlib
import os
import time

# A longer line is written in parts, as container runtimes do.
MAX_LINE = 16 * 1024


def stamp(nanoseconds: int) -> bytes:
    """RFC 3339 with nine digits, in UTC.

    1767323045123456789 -> 2026-01-02T03:04:05.123456789Z
    """
    seconds, rest = divmod(nanoseconds, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode() + b".%09dZ" % rest


def numbered(path: str, number: int) -> str:
    """The present file has the number 0."""
    return f"{path}.{number}" if number else path


class LogFile:
    """Lines of both streams, in the order in which they arrive."""

    def __init__(self, path: str, max_bytes: int, max_files: int) -> None:
        self._path = path
        self._max_bytes, self._max_files = max_bytes, max_files
        self._pending = {b"stdout": b"", b"stderr": b""}
        self._file = self._open(path)
        self._size = os.fstat(self._file).st_size

    def write(self, stream: bytes, data: bytes, now: int) -> None:
        """`data` ends anywhere; what has no line end yet waits for it, or for MAX_LINE."""
        prefix = stamp(now) + b" " + stream
        *lines, rest = (self._pending[stream] + data).split(b"\n")
        out = []
        for line in lines:
            while len(line) > MAX_LINE:
                out.append(prefix + b" P " + line[:MAX_LINE] + b"\n")
                line = line[MAX_LINE:]
            out.append(prefix + b" F " + line + b"\n")
        while len(rest) > MAX_LINE:
            out.append(prefix + b" P " + rest[:MAX_LINE] + b"\n")
            rest = rest[MAX_LINE:]
        self._pending[stream] = rest
        self._append(out)

    def close(self, now: int) -> None:
        """What has no line end is written as a last part."""
        for stream, rest in self._pending.items():
            if rest:
                self._append([stamp(now) + b" " + stream + b" P " + rest + b"\n"])
        os.close(self._file)

    def _append(self, records: list[bytes]) -> None:
        fitting: list[bytes] = []
        size = self._size
        for record in records:
            if size and size + len(record) > self._max_bytes:
                self._put(b"".join(fitting))
                self._rotate()
                fitting, size = [], 0
            fitting.append(record)
            size += len(record)
        self._put(b"".join(fitting))

    def _put(self, data: bytes) -> None:
        # A full disk costs log lines, never the container.
        with contextlib.suppress(OSError):
            self._size += os.write(self._file, data)

    def _rotate(self) -> None:
        """Where no further file can be had, the log goes on in the present one."""
        coming = self._path + ".next"
        try:
            file = self._open(coming)
        except OSError:
            return
        try:
            for number in range(self._max_files - 1, 0, -1):
                if os.path.exists(numbered(self._path, number - 1)):
                    os.replace(numbered(self._path, number - 1), numbered(self._path, number))
            os.replace(coming, self._path)
        except OSError:
            os.close(file)
            return
        os.close(self._file)
        self._file, self._size = file, 0

    def _open(self, path: str) -> int:
        return os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o640)
