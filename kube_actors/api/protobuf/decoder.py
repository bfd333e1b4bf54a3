"""From a message's bytes to the object as JSON has it: one loop over a table by tag, compiled once a message.

What Go leaves out of JSON is left out here: empty scalars of fields that are no pointers, times that are not set.
Whatever the bytes, only WireError comes out, after work in proportion to their length.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

from kube_actors.api import Obj, encoding
from kube_actors.api.protobuf.table import Shape, shape
from kube_actors.api.protobuf.values import int_or_string, time_text
from kube_actors.api.protobuf.wire import BYTES, FIXED64, VARINT, WireError, grouped, long_varint, signed, skip

# Messages in messages. Above it, an object could not be encoded as JSON either.
MAX_DEPTH = 100

# What to do with a field. Below _VARINTS the value is of BYTES.
_TEXT, _MESSAGE, _MESSAGES, _TEXTS, _TEXT_MAP, _VALUE, _VALUES, _MAP, _EMBEDDED, _PACKED = range(10)
_VARINTS, _INT, _BOOL, _INTS, _BOOLS, _DOUBLE = 10, 10, 11, 12, 13, 14

_Value = Callable[[bytes, int], Any]
# Operation, field, whether an empty value is kept, and the message or function that the operation needs.
_Field = tuple[int, str, bool, Any]


class Decoder:
    """The fields of one message by their tags; compiled at the first use, for messages may hold themselves."""

    __slots__ = ("_shape", "fields")

    def __init__(self, message: Shape) -> None:
        self._shape: Shape | None = message
        self.fields: dict[int, _Field] = {}

    def table(self) -> dict[int, _Field]:
        message, self._shape = self._shape, None
        if message is not None:
            for row in message.rows:
                for kind, found in _fields(row.name, row.kind, row.keep):
                    self.fields[row.number << 3 | kind] = found
            for number, inner in message.embedded.items():
                self.fields[number << 3 | BYTES] = (_EMBEDDED, "", True, Decoder(inner))
        return self.fields


@cache
def decoder(name: str) -> Decoder:
    """The decoder of a message by its name in the table."""
    return Decoder(shape(name))


def decode(name: str, data: bytes) -> Obj:
    """The object that a message holds. Raises WireError."""
    obj: Obj = {}
    _fill(decoder(name), data, obj, 0)
    return obj


def _fill(message: Decoder, data: bytes, obj: Obj, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise WireError("exceeded max depth")
    get = message.fields.get if message._shape is None else message.table().get
    position, end = 0, len(data)
    try:
        while position < end:
            tag = data[position]
            position += 1
            if tag > 127:
                tag, position = long_varint(data, position - 1)
            found = get(tag)
            if found is None:
                position = _unknown(message, data, position, tag)
                continue
            operation, name, keep, inner = found
            if operation == _DOUBLE:
                position += 8
                obj[name] = _double(data[position - 8 : position])
                continue
            number = data[position]
            position += 1
            if number > 127:
                number, position = long_varint(data, position - 1)
            if operation >= _VARINTS:
                _set_number(obj, operation, name, keep, number)
                continue
            stop = position + number
            if stop > end:
                raise WireError("unexpected EOF")
            part = data[position:stop]
            position = stop
            if operation == _TEXT:
                if part or keep:
                    obj[name] = str(part, "utf-8", "replace")
            elif operation == _MESSAGE:
                value: Obj = {}
                _fill(inner, part, value, depth + 1)
                obj[name] = value
            elif operation == _MESSAGES:
                value = {}
                _fill(inner, part, value, depth + 1)
                obj.setdefault(name, []).append(value)
            elif operation == _TEXTS:
                obj.setdefault(name, []).append(str(part, "utf-8", "replace"))
            elif operation == _TEXT_MAP:
                key, text = _entry(part)
                obj.setdefault(name, {})[key] = str(text, "utf-8", "replace")
            elif operation == _VALUE:
                one = inner(part, depth)
                if one is not None and (one or keep):
                    obj[name] = one
            elif operation == _VALUES:
                obj.setdefault(name, []).append(inner(part, depth))
            elif operation == _MAP:
                key, content = _entry(part)
                obj.setdefault(name, {})[key] = inner(content, depth)
            elif operation == _EMBEDDED:
                _fill(inner, part, obj, depth + 1)
            else:
                obj.setdefault(name, []).extend(map(inner, _packed(part)))
    except IndexError:
        raise WireError("unexpected EOF") from None


def _set_number(obj: Obj, operation: int, name: str, keep: bool, number: int) -> None:
    value: int | bool = number if number < 1 << 31 else signed(number)
    if operation in (_BOOL, _BOOLS):
        value = value != 0
    if operation in (_INTS, _BOOLS):
        obj.setdefault(name, []).append(value)
    elif value or keep:
        obj[name] = value


def _unknown(message: Decoder, data: bytes, position: int, tag: int) -> int:
    """Skip a field that is not known; refuse a known one of another wire type."""
    number, kind = tag >> 3, tag & 7
    if number == 0:
        raise WireError(f"proto: illegal tag {number} (wire type {kind})")
    for other in (VARINT, FIXED64, BYTES):
        if known := message.fields.get(number << 3 | other):
            raise WireError(f"proto: wrong wireType = {kind} for field {known[1][:1].upper()}{known[1][1:]}")
    return skip(data, position, kind)


def _entry(data: bytes) -> tuple[str, bytes]:
    """Key and value of a map's entry."""
    key = value = b""
    position, end = 0, len(data)
    while position < end:
        tag = data[position]
        position += 1
        if tag not in (0x0A, 0x12):
            tag, position = long_varint(data, position - 1)
            position = skip(data, position, tag & 7)
            continue
        size = data[position]
        position += 1
        if size > 127:
            size, position = long_varint(data, position - 1)
        stop = position + size
        if stop > end:
            raise WireError("unexpected EOF")
        if tag == 0x0A:
            key = data[position:stop]
        else:
            value = data[position:stop]
        position = stop
    return str(key, "utf-8", "replace"), value


def _packed(data: bytes) -> list[int]:
    """The numbers of a packed list."""
    position, found = 0, []
    while position < len(data):
        number, position = long_varint(data, position)
        found.append(signed(number))
    return found


def _double(data: bytes) -> float | int:
    if len(data) < 8:
        raise WireError("unexpected EOF")
    value: float = struct.unpack("<d", data)[0]
    if value - value != 0:
        raise WireError(f"json: unsupported value: {value}")
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _fields(name: str, kind: str, keep: bool) -> list[tuple[int, _Field]]:
    """What to do with the values of a field, by their wire type."""
    numbers = {"i": (_INT, _INTS, int), "b": (_BOOL, _BOOLS, bool)}
    if kind in numbers:
        return [(VARINT, (numbers[kind][0], name, keep, None))]
    if kind == "d":
        return [(FIXED64, (_DOUBLE, name, keep, None))]
    if kind[:2] == "[]" and kind[2:] in numbers:
        _, several, convert = numbers[kind[2:]]
        return [(VARINT, (several, name, keep, None)), (BYTES, (_PACKED, name, keep, convert))]
    plain = {"s": _TEXT, "[]s": _TEXTS, "{}s": _TEXT_MAP}
    if kind in plain:
        return [(BYTES, (plain[kind], name, keep, None))]
    if kind[:2] == "{}":
        return [(BYTES, (_MAP, name, keep, _value(kind[2:])))]
    several = kind[:2] == "[]"
    kind = kind[2:] if several else kind
    if _is_message(kind):
        return [(BYTES, (_MESSAGES if several else _MESSAGE, name, keep, decoder(kind)))]
    # JSON `null` is a value of a list and of nothing else; empty bytes are no value.
    return [(BYTES, (_VALUES if several else _VALUE, name, kind != "y" or keep, _value(kind)))]


def _is_message(kind: str) -> bool:
    return "." in kind


def _value(kind: str) -> _Value:
    if kind[:2] == "[]":
        return _listed(kind[2:])
    if _is_message(kind):
        return _message(kind)
    return _VALUE_OF[kind]


def _message(name: str) -> _Value:
    def value(data: bytes, depth: int) -> Obj:
        obj: Obj = {}
        _fill(decoder(name), data, obj, depth + 1)
        return obj

    return value


def _listed(kind: str) -> _Value:
    """A list that is a map's value: a message with the list as field 1."""
    fields = dict(_fields("items", f"[]{kind}", True))
    holder = Decoder(Shape(""))
    holder.table()
    holder.fields.update({8 | wire: found for wire, found in fields.items()})

    def value(data: bytes, depth: int) -> list[Any]:
        obj: Obj = {"items": []}
        _fill(holder, data, obj, depth + 1)
        found: list[Any] = obj["items"]
        return found

    return value


def _first(data: bytes) -> bytes:
    """Field 1 of a message, no bytes where it is not there."""
    value = grouped(data).get(1, [b""])[-1]
    if isinstance(value, int):
        raise WireError("proto: wrong wireType = 0 for field 1")
    return value


def _json(data: bytes, depth: int) -> Any:
    raw = _first(data)
    try:
        return encoding.loads(raw) if raw else None
    except ValueError as error:
        raise WireError(str(error)) from None


def _quantity(data: bytes) -> str:
    return str(_first(data), "utf-8", "replace") or "0"


def _text(data: bytes, depth: int) -> str:
    return str(data, "utf-8", "replace")


def _union(data: bytes, depth: int) -> dict[str, Any]:
    obj: Obj = {}
    _fill(_unions(), data, obj, depth + 1)
    return obj


@cache
def _unions() -> Decoder:
    """All unions at once: field 1 is a schema or `allows`, field 2 a schema, a list of them, or strings."""
    holder = Decoder(Shape(""))
    holder.table()
    holder.fields |= {
        1 << 3 | BYTES: (_VALUE, "schema", True, lambda data, depth: (data,)),
        1 << 3 | VARINT: (_BOOL, "allows", True, None),
        2 << 3 | BYTES: (_VALUES, "raw", True, lambda data, depth: data),
    }
    return holder


def _schema(data: bytes, depth: int) -> Any:
    return _message("apiextensions.v1.JSONSchemaProps")(data, depth)


def _or_array(data: bytes, depth: int) -> Any:
    fields = _union(data, depth)
    if fields.get("raw"):
        return [_schema(one, depth + 1) for one in fields["raw"]]
    return _schema(fields["schema"][0], depth + 1) if "schema" in fields else None


def _or_bool(data: bytes, depth: int) -> Any:
    fields = _union(data, depth)
    if fields.get("raw"):
        return _schema(fields["raw"][-1], depth + 1)
    return fields.get("allows", False)


def _or_strings(data: bytes, depth: int) -> Any:
    fields = _union(data, depth)
    if fields.get("raw"):
        return [_text(one, depth) for one in fields["raw"]]
    return _schema(fields["schema"][0], depth + 1) if "schema" in fields else None


# The same few quantities, times and ports come again and again; only short ones are kept.
_SHORT = 24


def _remembered(value: Callable[[bytes], Any]) -> _Value:
    memory = lru_cache(maxsize=2048)(value)
    return lambda data, depth: memory(data) if len(data) <= _SHORT else value(data)


_VALUE_OF: dict[str, _Value] = {
    "s": _text,
    "y": lambda data, depth: base64.b64encode(data).decode(),
    "q": _remembered(_quantity),
    "t": _remembered(time_text),
    "u": _remembered(partial(time_text, micro=True)),
    "x": _remembered(int_or_string),
    "j": _json,
    "JSONSchemaPropsOrArray": _or_array,
    "JSONSchemaPropsOrBool": _or_bool,
    "JSONSchemaPropsOrStringArray": _or_strings,
}
