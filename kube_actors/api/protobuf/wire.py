"""Protobuf's wire format: varints, and the fields of a message without knowing its type."""

from __future__ import annotations

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MASK = (1 << 64) - 1


class WireError(ValueError):
    """The bytes are no protobuf message; the text is what Go's decoders say."""


def varint(value: int) -> bytes:
    """A number as a varint; a negative one takes ten bytes, as Go writes it."""
    if 0 <= value < 128:
        return bytes((value,))
    value &= _MASK
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value: int) -> int:
    """An int32 or int64 of a varint."""
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


def long_varint(data: bytes, position: int) -> tuple[int, int]:
    """The varint at `position` and where it ends. Raises WireError."""
    value = shift = 0
    for byte in data[position : position + 10]:
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise WireError("proto: integer overflow" if shift == 70 else "unexpected EOF")


def skip(data: bytes, position: int, kind: int) -> int:
    """Where the value of a field ends that nobody knows. Raises WireError."""
    if kind == VARINT:
        return long_varint(data, position)[1]
    if kind == BYTES:
        size, position = long_varint(data, position)
        end = position + size
    elif kind in (FIXED64, FIXED32):
        end = position + (8 if kind == FIXED64 else 4)
    else:
        # Groups went out of use before Kubernetes began.
        raise WireError(f"proto: illegal wireType {kind}")
    if end > len(data):
        raise WireError("unexpected EOF")
    return end


def grouped(data: bytes) -> dict[int, list[int | bytes]]:
    """Every field's values by its number: an int for a varint, else bytes. Raises WireError."""
    found: dict[int, list[int | bytes]] = {}
    position = 0
    while position < len(data):
        tag, position = long_varint(data, position)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise WireError(f"proto: illegal tag {number} (wire type {kind})")
        start, position = position, skip(data, position, kind)
        value: int | bytes = data[start:position]
        if kind == VARINT:
            value = long_varint(data, start)[0]
        elif kind == BYTES:
            value = data[long_varint(data, start)[1] : position]
        found.setdefault(number, []).append(value)
    return found
