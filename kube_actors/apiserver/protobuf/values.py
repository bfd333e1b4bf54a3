"""Single values: what the bytes of a field are in JSON, by the schema's node of that field."""

from __future__ import annotations

import base64
import datetime as dt
import struct
from typing import Any

from kube_actors.api import encoding
from kube_actors.api.schema import SchemaNode
from kube_actors.apiserver.protobuf.wire import WireError, read, signed

_TIMES = ("Time", "MicroTime")
# Messages that hold JSON as bytes in their field 1.
_JSON_HOLDERS = ("RawExtension", "FieldsV1", "JSON")


def is_scalar(node: SchemaNode) -> bool:
    """Whether a field of this node is one value, and no message of fields of its own."""
    if node.name in (*_TIMES, *_JSON_HOLDERS) or node.is_quantity or node.is_int_or_string:
        return True
    return node.type in ("string", "integer", "boolean", "number")


def scalar(node: SchemaNode, value: int | bytes) -> Any:
    """The JSON value of one field. Raises WireError."""
    if node.name in _TIMES or node.format == "date-time":
        return _time(_bytes(value), micro=node.name == "MicroTime")
    if node.is_quantity:
        return _text(_first(value, 1))
    if node.is_int_or_string:
        return _int_or_string(_bytes(value))
    if node.name in _JSON_HOLDERS:
        raw = _first(value, 1)
        return encoding.loads(raw) if raw else {}
    if node.type == "boolean":
        return bool(_int(value))
    if node.type == "integer":
        return signed(_int(value))
    if node.type == "number":
        data = _bytes(value)
        if len(data) != 8:
            raise WireError("a double that is not of 8 bytes")
        return struct.unpack("<d", data)[0]
    if node.format == "byte":
        return base64.b64encode(_bytes(value)).decode()
    return _text(_bytes(value))


def _time(data: bytes, *, micro: bool) -> str | None:
    seconds = nanos = 0
    for field in read(data):
        if field.number == 1:
            seconds = signed(_int(field.value))
        elif field.number == 2:
            nanos = signed(_int(field.value))
    if not data:
        return None
    try:
        moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (ValueError, OverflowError, OSError):
        raise WireError("a time that is out of range") from None
    if micro:
        return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{nanos // 1000:06d}Z"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _int_or_string(data: bytes) -> int | str:
    kind, number, text = 0, 0, ""
    for field in read(data):
        if field.number == 1:
            kind = _int(field.value)
        elif field.number == 2:
            number = signed(_int(field.value))
        elif field.number == 3:
            text = _text(_bytes(field.value))
    return text if kind else number


def _first(value: int | bytes, number: int) -> bytes:
    """The bytes of a field of a message, empty where it is not there."""
    for field in read(_bytes(value)):
        if field.number == number:
            return _bytes(field.value)
    return b""


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise WireError("a string that is no UTF-8") from None


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise WireError("a number where bytes were expected")
    return value


def _int(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise WireError("bytes where a number was expected")
    return value
