"""From a protobuf body to the object as JSON has it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from kube_actors.api import Obj, encoding, schema
from kube_actors.api.schema import SchemaNode
from kube_actors.apiserver.protobuf.values import is_scalar, scalar
from kube_actors.apiserver.protobuf.wire import WireError, read

MAGIC = b"k8s\0"
TABLE_FILE = Path(__file__).with_name("fields.json")
# Messages do not nest deeper than this, whatever a client sends.
MAX_DEPTH = 64

# A field's name, or the numbers of an embedded message whose fields stand in the object around it.
Numbers = dict[int, "str | Numbers"]


def decode(body: bytes) -> Obj:
    """The object of a body. Raises WireError, with text for the client."""
    if not body.startswith(MAGIC):
        raise WireError("provided data does not appear to be a protobuf message, expected prefix 6b 38 73 00")
    api_version = kind = ""
    raw = b""
    for field in read(body[len(MAGIC) :]):
        if field.number == 1 and isinstance(field.value, bytes):
            for inner in read(field.value):
                if isinstance(inner.value, bytes):
                    text = inner.value.decode(errors="replace")
                    api_version, kind = (text, kind) if inner.number == 1 else (api_version, text)
        elif field.number == 2 and isinstance(field.value, bytes):
            raw = field.value
    group, _, version = api_version.rpartition("/")
    name = definition_of(group, version, kind)
    if name is None or name not in _table():
        raise WireError(f'no kind "{kind}" is registered for version "{api_version}"')
    return {"kind": kind, "apiVersion": api_version, **_message(schema.definition(name), raw, 0)}


@cache
def definition_of(group: str, version: str, kind: str) -> str | None:
    """The full name of a kind's definition; options and Status are meta's."""
    suffix = f".{version}.{kind}"
    package = group.partition(".")[0] or "core"
    for name in schema.definitions():
        if name.endswith(suffix) and name.rsplit(".", 3)[1] == package:
            return name
    meta = f"io.k8s.apimachinery.pkg.apis.meta{suffix}"
    return meta if meta in schema.definitions() else None


def _message(node: SchemaNode, data: bytes, depth: int) -> Obj:
    if depth > MAX_DEPTH:
        raise WireError("exceeded max depth")
    obj: Obj = {}
    numbers = _numbers(node.definition)
    if numbers is None:
        raise WireError(f"{node.name} cannot be sent as protobuf to this server; send JSON")
    _fill(obj, node, numbers, data, depth)
    return obj


def _fill(obj: Obj, node: SchemaNode, numbers: Numbers, data: bytes, depth: int) -> None:
    for field in read(data):
        known = numbers.get(field.number)
        if isinstance(known, str):
            _set(obj, known, node.properties[known], field.value, depth)
        elif known is not None and isinstance(field.value, bytes):
            _fill(obj, node, known, field.value, depth)


def _set(obj: Obj, name: str, node: SchemaNode, value: int | bytes, depth: int) -> None:
    if node.is_map:
        _set_entry(obj.setdefault(name, {}), node, value, depth)
    elif node.type == "array":
        assert node.items is not None
        obj.setdefault(name, []).append(_value(node.items, value, depth))
    else:
        obj[name] = _value(node, value, depth)


def _set_entry(held: Obj, node: SchemaNode, value: int | bytes, depth: int) -> None:
    """One entry of a map: key in field 1, value in field 2."""
    if isinstance(value, int):
        raise WireError("a number where a map's entry was expected")
    inner = node.additional
    assert inner is not None
    key, found = "", None
    for field in read(value):
        if field.number == 1 and isinstance(field.value, bytes):
            key = field.value.decode(errors="replace")
        elif field.number == 2:
            found = field.value
    if inner.type == "array":
        assert inner.items is not None
        items = read(found) if isinstance(found, bytes) else []
        held[key] = [_value(inner.items, item.value, depth) for item in items]
    else:
        absent: int | bytes = 0 if inner.type in ("integer", "boolean") else b""
        held[key] = _value(inner, absent if found is None else found, depth)


def _value(node: SchemaNode, value: int | bytes, depth: int) -> Any:
    if is_scalar(node):
        return scalar(node, value)
    if isinstance(value, int):
        raise WireError(f"a number where a {node.name or node.type} was expected")
    return _message(node, value, depth + 1)


@cache
def _table() -> dict[str, dict[str, list[int]]]:
    table: dict[str, dict[str, list[int]]] = encoding.loads(TABLE_FILE.read_bytes()) if TABLE_FILE.exists() else {}
    return table


@cache
def _numbers(definition: str) -> Numbers | None:
    """By number, what a message's fields are; None for a message that is not known."""
    fields = _table().get(definition)
    if fields is None:
        return None
    numbers: Numbers = {}
    for name, path in fields.items():
        level = numbers
        for number in path[:-1]:
            inner = level.setdefault(number, {})
            assert isinstance(inner, dict)
            level = inner
        level[path[-1]] = name
    return numbers
