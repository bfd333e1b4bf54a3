"""Values that are messages of their own on the wire and one JSON value: times, IntOrString."""

from __future__ import annotations

import datetime as dt
from calendar import timegm

from kube_actors.api.protobuf.wire import WireError, grouped, signed, varint

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# Go's time.Time{}; what lies outside of it and the year 9999 has no RFC 3339 form.
_FIRST, _LAST = -62135596800, 253402300799


def time_text(data: bytes, *, micro: bool = False) -> str | None:
    """A Time {seconds=1, nanos=2} in JSON's form; no bytes are Go's zero time, which is null. Raises WireError."""
    if not data:
        return None
    fields = grouped(data)
    seconds, nanos = (signed(_number(fields.get(number, [0])[-1])) for number in (1, 2))
    if not _FIRST <= seconds <= _LAST or not 0 <= nanos < 10**9:
        raise WireError("a time is out of range")
    moment = _EPOCH + dt.timedelta(seconds=seconds)
    text = moment.strftime("%m-%dT%H:%M:%S")
    # strftime writes years before 1000 without zeros.
    return f"{moment.year:04d}-{text}.{nanos // 1000:06d}Z" if micro else f"{moment.year:04d}-{text}Z"


def time_bytes(text: str) -> bytes:
    """The message of a time in JSON's form. Raises ValueError."""
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    seconds = timegm(moment.utctimetuple())
    return b"\x08" + varint(seconds) + b"\x10" + varint(moment.microsecond * 1000)


def int_or_string(data: bytes) -> int | str:
    """An IntOrString {type=1, intVal=2, strVal=3}. Raises WireError."""
    fields = grouped(data)
    kind = _number(fields.get(1, [0])[-1])
    if kind == 1:
        text = fields.get(3, [b""])[-1]
        if isinstance(text, int):
            raise WireError("proto: wrong wireType = 0 for field StrVal")
        return text.decode(errors="replace")
    if kind:
        raise WireError("impossible IntOrString.Type")
    return signed(_number(fields.get(2, [0])[-1]))


def int_or_string_bytes(value: int | str) -> bytes:
    """All three fields are always written, as Go does."""
    if isinstance(value, str):
        text = value.encode()
        return b"\x08\x01\x10\x00\x1a" + varint(len(text)) + text
    return b"\x08\x00\x10" + varint(value) + b"\x1a\x00"


def _number(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise WireError("proto: wrong wireType = 2 for a number")
    return value
