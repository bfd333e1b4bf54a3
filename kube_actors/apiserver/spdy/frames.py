"""Frames as values, and their codec.

control:  1vvvvvvv vvvvvvvv tttttttt tttttttt | flags | length (24 bits) | payload
data:     0 stream (31 bits)                  | flags | length (24 bits) | payload
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

from kube_actors.apiserver.spdy.headers import Compressor, Decompressor, HeaderError, Headers

VERSION = 3
# A control frame has to be whole before it can be read; data frames are given on piece by piece.
MAX_CONTROL = 64 * 1024
MAX_DATA = (1 << 24) - 1

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 0x01
UNIDIRECTIONAL = 0x02

PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL, FLOW_CONTROL_ERROR = 1, 2, 3, 5, 7
INITIAL_WINDOW_SETTING = 7

_HEAD = struct.Struct(">II")
_ONE = struct.Struct(">I")
_TWO = struct.Struct(">II")
_SYN_STREAM = struct.Struct(">IIBx")
_31_BITS = 0x7FFFFFFF


class ProtocolError(ValueError):
    """The peer broke the protocol; the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class SynStream:
    stream: int
    headers: Headers
    fin: bool = False
    unidirectional: bool = False
    associated: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class SynReply:
    stream: int
    headers: Headers
    fin: bool = False


@dataclass(frozen=True, slots=True)
class MoreHeaders:
    stream: int
    headers: Headers
    fin: bool = False


@dataclass(frozen=True, slots=True)
class Reset:
    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Settings:
    """(id, value) pairs."""

    values: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Ping:
    id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    last_stream: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class WindowUpdate:
    """`stream` 0: the whole connection."""

    stream: int
    delta: int


@dataclass(frozen=True, slots=True)
class Data:
    """A data frame, or a piece of one; `fin` comes with the last piece."""

    stream: int
    data: bytes
    fin: bool = False


Frame: TypeAlias = SynStream | SynReply | MoreHeaders | Reset | Settings | Ping | GoAway | WindowUpdate | Data


class FrameReader:
    """Bytes in, frames out. Keeps less than MAX_CONTROL bytes. A broken frame ends it: see ProtocolError."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._headers = Decompressor()
        # The data frame that is being received: its stream, whether it is the last, the bytes that are missing.
        self._stream = 0
        self._fin = False
        self._left = 0

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete with `data`. Raises ProtocolError."""
        self._buffer += data
        found: list[Frame] = []
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def _next(self) -> Frame | None:
        buffer = self._buffer
        if self._left:
            return self._piece() if buffer else None
        if len(buffer) < _HEAD.size:
            return None
        first, second = _HEAD.unpack_from(buffer)
        flags, length = second >> 24, second & MAX_DATA
        if not first >> 31:
            del buffer[: _HEAD.size]
            self._begin_data(first, bool(flags & FIN), length)
            # An empty frame is complete with its head.
            return self._piece() if not length or buffer else None
        if length > MAX_CONTROL:
            raise ProtocolError(f"a control frame of {length} bytes")
        if len(buffer) < _HEAD.size + length:
            return None
        payload = bytes(buffer[_HEAD.size : _HEAD.size + length])
        del buffer[: _HEAD.size + length]
        if (first >> 16) & 0x7FFF != VERSION:
            raise ProtocolError(f"SPDY version {(first >> 16) & 0x7FFF}")
        try:
            return self._control(first & 0xFFFF, flags, payload)
        except (struct.error, HeaderError) as error:
            raise ProtocolError(str(error)) from None

    def _begin_data(self, stream: int, fin: bool, length: int) -> None:
        if not stream:
            raise ProtocolError("data of stream 0")
        self._stream, self._fin, self._left = stream, fin, length

    def _piece(self) -> Data:
        piece = bytes(self._buffer[: self._left])
        del self._buffer[: len(piece)]
        self._left -= len(piece)
        return Data(self._stream, piece, self._fin and not self._left)

    def _control(self, kind: int, flags: int, payload: bytes) -> Frame:
        fin = bool(flags & FIN)
        if kind == SYN_STREAM:
            stream, associated, priority = _SYN_STREAM.unpack_from(payload)
            headers = self._headers.decode(payload[_SYN_STREAM.size :])
            one_way = bool(flags & UNIDIRECTIONAL)
            return SynStream(stream & _31_BITS, headers, fin, one_way, associated & _31_BITS, priority >> 5)
        if kind in (SYN_REPLY, HEADERS):
            (stream,) = _ONE.unpack_from(payload)
            make = SynReply if kind == SYN_REPLY else MoreHeaders
            return make(stream & _31_BITS, self._headers.decode(payload[4:]), fin)
        if kind == SETTINGS:
            return _settings(payload)
        if kind == PING:
            return Ping(*_ONE.unpack(payload))
        if kind in (RST_STREAM, GOAWAY, WINDOW_UPDATE):
            first, second = _TWO.unpack(payload)
            if kind == WINDOW_UPDATE:
                return WindowUpdate(first & _31_BITS, second & _31_BITS)
            return Reset(first & _31_BITS, second) if kind == RST_STREAM else GoAway(first & _31_BITS, second)
        raise ProtocolError(f"a control frame of type {kind}")


def _settings(payload: bytes) -> Settings:
    (count,) = _ONE.unpack_from(payload)
    if len(payload) != 4 + 8 * count:
        raise ProtocolError("settings that end too soon")
    pairs = (_TWO.unpack_from(payload, 4 + 8 * index) for index in range(count))
    return Settings(tuple((key & MAX_DATA, value) for key, value in pairs))


class FrameWriter:
    """Frames in, bytes out, which have to be sent in this order."""

    def __init__(self) -> None:
        self._headers = Compressor()

    def encode(self, frame: Frame) -> bytes:
        match frame:
            case Data():
                flags = FIN if frame.fin else 0
                return _HEAD.pack(frame.stream, flags << 24 | len(frame.data)) + frame.data
            case SynStream():
                head = _SYN_STREAM.pack(frame.stream, frame.associated, frame.priority << 5)
                flags = (FIN if frame.fin else 0) | (UNIDIRECTIONAL if frame.unidirectional else 0)
                return _control(SYN_STREAM, flags, head + self._headers.encode(frame.headers))
            case SynReply() | MoreHeaders():
                kind = SYN_REPLY if isinstance(frame, SynReply) else HEADERS
                payload = _ONE.pack(frame.stream) + self._headers.encode(frame.headers)
                return _control(kind, FIN if frame.fin else 0, payload)
            case Reset():
                return _control(RST_STREAM, 0, _TWO.pack(frame.stream, frame.status))
            case Settings():
                pairs = b"".join(_TWO.pack(key, value) for key, value in frame.values)
                return _control(SETTINGS, 0, _ONE.pack(len(frame.values)) + pairs)
            case Ping():
                return _control(PING, 0, _ONE.pack(frame.id))
            case GoAway():
                return _control(GOAWAY, 0, _TWO.pack(frame.last_stream, frame.status))
            case WindowUpdate():
                return _control(WINDOW_UPDATE, 0, _TWO.pack(frame.stream, frame.delta))


def _control(kind: int, flags: int, payload: bytes) -> bytes:
    return _HEAD.pack(1 << 31 | VERSION << 16 | kind, flags << 24 | len(payload)) + payload
