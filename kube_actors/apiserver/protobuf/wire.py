"""Protobuf's wire format, read without generated code."""

from __future__ import annotations

from dataclasses import dataclass

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class WireError(ValueError):
    """The bytes are no protobuf message."""


@dataclass(frozen=True, slots=True)
class WireField:
    """One field of a message as it lies there: an int for a varint, else bytes."""

    number: int
    kind: int
    value: int | bytes


def read(data: bytes) -> list[WireField]:
    """All fields of a message in their order. Raises WireError."""
    found: list[WireField] = []
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise WireError("proto: illegal tag 0")
        value: int | bytes
        if kind == VARINT:
            value, position = _varint(data, position)
        elif kind in (FIXED64, FIXED32):
            end = position + (8 if kind == FIXED64 else 4)
            value, position = _slice(data, position, end), end
        elif kind == BYTES:
            length, position = _varint(data, position)
            value, position = _slice(data, position, position + length), position + length
        else:
            raise WireError(f"proto: illegal wireType {kind}")
        found.append(WireField(number, kind, value))
    return found


def signed(value: int) -> int:
    """An int32 or int64 of a varint."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data):
            raise WireError("unexpected EOF")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise WireError("proto: integer overflow")


def _slice(data: bytes, start: int, end: int) -> bytes:
    if end > len(data):
        raise WireError("unexpected EOF")
    return data[start:end]
