"""What travels on a container's socket, in both directions: a kind, a length, the data."""

from __future__ import annotations

import struct

# From the container.
STDOUT, STDERR, EXIT = 1, 2, 3
# To the container.
STDIN, STDIN_END, RESIZE = 4, 5, 6

_HEADER = struct.Struct(">BI")
HEADER_SIZE = _HEADER.size
# What one frame may hold; more is a broken client.
MAX_FRAME = 1024 * 1024


def encode(kind: int, data: bytes = b"") -> bytes:
    return _HEADER.pack(kind, len(data)) + data


def encode_exit(code: int) -> bytes:
    return encode(EXIT, struct.pack(">i", code))


def decode_exit(data: bytes) -> int:
    (code,) = struct.unpack(">i", data)
    return int(code)


def encode_size(width: int, height: int) -> bytes:
    return encode(RESIZE, struct.pack(">HH", height, width))


class Decoder:
    """Bytes in, whole frames out. Raises ValueError for a frame that is too large."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        self._buffer += data
        found = []
        while len(self._buffer) >= HEADER_SIZE:
            kind, size = _HEADER.unpack_from(self._buffer)
            if size > MAX_FRAME:
                raise ValueError(f"a frame of {size} bytes")
            if len(self._buffer) < HEADER_SIZE + size:
                break
            found.append((kind, self._buffer[HEADER_SIZE : HEADER_SIZE + size]))
            self._buffer = self._buffer[HEADER_SIZE + size :]
        return found
