"""Docker's log stream: frames of stdout and stderr, or raw bytes of a terminal."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import NamedTuple

from kube_actors.node.runtime.docker.engine import Engine, failures
from kube_actors.node.runtime.interface import LogOptions

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


class LineStamps:
    """Leaves a time where a line begins only: a line of more than 16 KiB comes in several frames, each with a time."""

    def __init__(self) -> None:
        self._frame = b""
        self._within_line: dict[int, bool] = {}

    def show(self, piece: Piece) -> bytes:
        self._frame += piece.data
        if not piece.last:
            return b""
        frame, self._frame = self._frame, b""
        shown = frame.partition(b" ")[2] if self._within_line.get(piece.stream) else frame
        self._within_line[piece.stream] = not frame.endswith(b"\n")
        return shown


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
    frames = Demultiplexer(tty)
    # What a terminal wrote has no frames to tell where a part begins.
    stamps = LineStamps() if options.timestamps and not tty else None
    async with (
        failures("LogsUnavailable"),
        engine.request("GET", f"containers/{docker_id}/logs", params=log_params(options)) as response,
    ):
        async for data in response.content.iter_any():
            chunk = b"".join(stamps.show(piece) if stamps else piece.data for piece in frames.feed(data))
            if left is not None:
                chunk = chunk[:left]
                left -= len(chunk)
            if chunk:
                yield chunk
            if left == 0:
                return
