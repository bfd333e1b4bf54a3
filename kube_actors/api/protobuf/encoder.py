"""From an object as JSON has it to a message's bytes, fields in the order of their numbers, as Go writes them.

Fields that the message does not have are passed over, as are nulls. What Go would write though it is empty is left
out: it reads back the same.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

from kube_actors.api import Obj, encoding
from kube_actors.api.protobuf.table import Shape, shape
from kube_actors.api.protobuf.values import int_or_string_bytes, time_bytes
from kube_actors.api.protobuf.wire import BYTES, FIXED64, VARINT, varint

_Write = Callable[[Any], bytes]
_SCHEMA = "apiextensions.v1.JSONSchemaProps"


class Encoder:
    """The fields of one message; compiled at the first use, for messages may hold themselves."""

    __slots__ = ("_fields", "_shape")

    def __init__(self, message: Shape) -> None:
        self._shape: Shape | None = message
        self._fields: list[tuple[str, _Write]] = []

    def __call__(self, obj: Obj) -> bytes:
        if self._shape is not None:
            self._compile(self._shape)
        get = obj.get
        parts = []
        for name, write in self._fields:
            # An embedded struct has no name: its fields stand in the object itself.
            value = get(name) if name else obj
            if value is not None:
                parts.append(write(value))
        return b"".join(parts)

    def _compile(self, message: Shape) -> None:
        fields = [(row.number, row.name, _field(row.number, row.kind)) for row in message.rows]
        fields += [(number, "", _embedded(number, Encoder(inner))) for number, inner in message.embedded.items()]
        self._fields = [(name, write) for _, name, write in sorted(fields, key=lambda one: one[0])]
        self._shape = None


@cache
def encoder(name: str) -> Encoder:
    """The encoder of a message by its name in the table."""
    return Encoder(shape(name))


def encode(name: str, obj: Obj) -> bytes:
    """The message's bytes. Raises ValueError for an object that is not of its kind."""
    try:
        return encoder(name)(obj)
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"no {name}: {error}") from error


def sized(number: int, data: bytes) -> bytes:
    """A field of BYTES."""
    return b"%b%b%b" % (varint(number << 3 | BYTES), varint(len(data)), data)


def _field(number: int, kind: str) -> _Write:
    """What writes a field with its tag."""
    if kind[:2] == "[]":
        one = _field(number, kind[2:])
        return lambda value: b"".join(map(one, value))
    if kind[:2] == "{}":
        return _map(number, kind[2:])
    if kind in ("i", "b"):
        tag = varint(number << 3 | VARINT)
        return lambda value: tag + varint(value)
    if kind == "d":
        tag = varint(number << 3 | FIXED64)
        return lambda value: tag + struct.pack("<d", value)
    return _tagged(number, encoder(kind) if "." in kind else _WRITE[kind])


def _tagged(number: int, write: _Write) -> _Write:
    tag = varint(number << 3 | BYTES)

    def tagged(value: Any) -> bytes:
        data = write(value)
        size = len(data)
        return b"%b%c%b" % (tag, size, data) if size < 128 else b"%b%b%b" % (tag, varint(size), data)

    return tagged


def _embedded(number: int, inner: Encoder) -> _Write:
    def embedded(obj: Obj) -> bytes:
        data = inner(obj)
        return sized(number, data) if data else b""

    return embedded


def _map(number: int, kind: str) -> _Write:
    """Entries in the order of their keys."""
    if kind[:2] == "[]":
        inner = _field(1, kind)
        entry: _Write = _tagged(2, inner)
    else:
        entry = _field(2, kind)
    key_of = _tagged(1, str.encode)
    whole = _tagged(number, bytes)
    return lambda value: b"".join([whole(key_of(key) + entry(item)) for key, item in sorted(value.items())])


def _union(first: str, second: str) -> _Write:
    """A union of a schema (or a boolean) and a list (or a schema): `second` says which of them is a list."""

    def write(value: Any) -> bytes:
        if isinstance(value, bool):
            return b"\x08\x01" if value else b"\x08\x00"
        if isinstance(value, list):
            return _field(2, second)(value)
        data = encoder(_SCHEMA)(value)
        # OrBool allows what its schema allows.
        return sized(1, data) if first == "schema" else b"\x08\x01" + sized(2, data)

    return write


def _time(value: str | None) -> bytes:
    """No bytes for a time that is not set, which may be a map's value."""
    return time_bytes(value) if value else b""


_WRITE: dict[str, _Write] = {
    "s": lambda value: str.encode(value, "utf-8", "replace"),
    "y": lambda value: base64.b64decode(value),
    "q": lambda value: sized(1, str(value).encode()),
    "t": _time,
    "u": _time,
    "x": int_or_string_bytes,
    "j": lambda value: sized(1, encoding.dumps(value)),
    "JSONSchemaPropsOrArray": _union("schema", f"[]{_SCHEMA}"),
    "JSONSchemaPropsOrBool": _union("bool", ""),
    "JSONSchemaPropsOrStringArray": _union("schema", "[]s"),
}
