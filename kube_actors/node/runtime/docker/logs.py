"""Docker's log stream: frames of stdout and stderr, or raw bytes of a terminal."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import NamedTuple

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.node.runtime.docker.engine import Engine, failures
from kube_actors.node.runtime.interface import LogOptions, RuntimeFailure

# Whose times are known, of each that follows a log.
RECENT_LINES = 8192
# Of a line, in bytes, what Docker keeps in one piece.
MAX_PART = 16 * 1024
_HEADER = struct.Struct(">BxxxL")


class Piece(NamedTuple):
    """Of a frame. `last`: the frame ends with it."""

    stream: int
    data: bytes
    last: bool


class Demultiplexer:
    """Bytes in, pieces out; a frame may come in any number of them. Parts of a frame are given at once.

    01 00 00 00 00 00 00 03 'a' | 'b' 'c'  ->  (1, b"a", False) | (1, b"bc", True)
    """

    def __init__(self, tty: bool) -> None:
        self._tty = tty
        self._header = b""
        self._stream = 1
        self._left = 0

    def feed(self, data: bytes) -> list[Piece]:
        if self._tty:
            return [Piece(1, data, True)] if data else []
        found: list[Piece] = []
        view = memoryview(data)
        while view:
            if self._left == 0:
                missing = _HEADER.size - len(self._header)
                self._header += view[:missing]
                view = view[missing:]
                if len(self._header) < _HEADER.size:
                    break
                stream, self._left = _HEADER.unpack(self._header)
                # Stream 0 (stdin) is what an attached terminal echoes.
                self._stream, self._header = stream or 1, b""
                continue
            piece = view[: self._left]
            view = view[self._left :]
            self._left -= len(piece)
            found.append(Piece(self._stream, bytes(piece), self._left == 0))
        return found


class TerminalFrames:
    """What a terminal wrote comes without frames. With times these can be found again: a line, or as much of it as
    the engine keeps in one piece."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[Piece]:
        self._held += data
        found = []
        begin = 0
        while end := self._end(begin):
            found.append(Piece(1, self._held[begin:end], True))
            begin = end
        self._held = self._held[begin:]
        return found

    def _end(self, begin: int) -> int:
        """Of the frame that begins there; 0 if it is not all here."""
        content = self._held.find(b" ", begin) + 1
        if not content:
            return 0
        limit = content + MAX_PART
        return self._held.find(b"\n", content, limit) + 1 or (limit if len(self._held) >= limit else 0)


class Lines:
    """Frames with times in, what the user sees out: each line once, and with `timestamps` one time before it.

    A line of more than 16 KiB comes in several frames, each with a time. And who follows a log over its rotation
    may be told lines again; their times tell them apart. (Seen of Docker 20.10, which newer engines do otherwise.)
    """

    def __init__(self, timestamps: bool) -> None:
        self._timestamps = timestamps
        self._frame = b""
        self._within_line: dict[int, bool] = {}
        # By stream and hash of frame, in the order in which they came. What comes again was read of a file that is new.
        self._recent: dict[tuple[int, int], None] = {}
        self.last = b""

    def show(self, piece: Piece) -> bytes:
        self._frame += piece.data
        if not piece.last:
            return b""
        frame, self._frame = self._frame, b""
        stamp, _, content = frame.partition(b" ")
        key, within_line = (piece.stream, hash(frame)), self._within_line.get(piece.stream, False)
        if key in self._recent and not within_line:
            return b""
        self._recent[key] = None
        if len(self._recent) > RECENT_LINES:
            del self._recent[next(iter(self._recent))]
        self.last = max(self.last, stamp)
        self._within_line[piece.stream] = not content.endswith(b"\n")
        return frame if self._timestamps and not within_line else content


def log_params(options: LogOptions) -> dict[str, str]:
    params = {
        "stdout": "1",
        "stderr": "1",
        "follow": str(int(options.follow)),
        "timestamps": str(int(options.timestamps)),
        "tail": "all" if options.tail is None else str(options.tail),
    }
    if options.since:
        params["since"] = f"{options.since:.9f}"
    return params


async def read_logs(engine: Engine, docker_id: str, tty: bool, options: LogOptions) -> AsyncIterator[bytes]:
    """Chunks as the engine sends them, cut at `limit_bytes`."""
    left = options.limit_bytes
    params = log_params(options)
    lines = None
    # Podman's times are whole seconds, which tell nothing apart.
    if (options.follow or options.timestamps) and not engine.is_podman:
        params["timestamps"], lines = "1", Lines(options.timestamps)
    async for chunk in _followed(engine, docker_id, params, tty, lines):
        if left is not None:
            chunk = chunk[:left]
            left -= len(chunk)
        if chunk:
            yield chunk
        if left == 0:
            return


async def _followed(
    engine: Engine, docker_id: str, params: dict[str, str], tty: bool, lines: Lines | None
) -> AsyncIterator[bytes]:
    """Docker 20.10 ends what it tells of a container that ends right after a rotation before the log's end. So it
    is asked again from there on, until it has nothing new."""
    async for chunk in _read(engine, docker_id, params, tty, lines):
        yield chunk
    last = b""
    while lines is not None and params["follow"] == "1" and lines.last != last:
        last = lines.last
        again = params | {"since": epoch(last), "tail": "all"}
        # It may have been removed meanwhile.
        with suppress(RuntimeFailure):
            async for chunk in _read(engine, docker_id, again, tty, lines):
                yield chunk


async def _read(
    engine: Engine, docker_id: str, params: dict[str, str], tty: bool, lines: Lines | None
) -> AsyncIterator[bytes]:
    frames = TerminalFrames() if tty and lines else Demultiplexer(tty)
    async with (
        failures("LogsUnavailable"),
        engine.request("GET", f"containers/{docker_id}/logs", params=params) as response,
    ):
        async for data in response.content.iter_any():
            yield b"".join(lines.show(piece) if lines else piece.data for piece in frames.feed(data))


def epoch(stamp: bytes) -> str:
    """A time of Docker's as it takes it: b"1970-01-01T00:00:09.000000001Z" -> 9.000000001."""
    return f"{parse_rfc3339(stamp[:19].decode() + 'Z'):.0f}.{stamp[20:29].decode()}"
