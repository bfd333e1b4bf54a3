"""A patched object as kube-apiserver shows it in an error: as bytes that went through its patch library.

The library sorts the members of what it takes apart, which is the root and every object on the way to a change; the
rest stays in the order of Go's structs, which is, with few exceptions, that of the fields' numbers in protobuf.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import orjson

from kube_actors.api.protobuf import table
from kube_actors.api.resources import Resource

# Objects that a patch takes apart, by their members.
Touched = dict[str, Any]

# Where the order of Go's struct is not that of the numbers: a field and the one that it stands behind.
_BEHIND = {
    ("core.v1.Container", "terminationMessagePolicy"): "terminationMessagePath",
    ("core.v1.PodSpec", "initContainers"): "volumes",
    ("core.v1.PodSpec", "ephemeralContainers"): "containers",
}


def touched_by_merge(patch: Any) -> Touched:
    """What a merge patch takes apart."""
    if not isinstance(patch, dict):
        return {}
    return {name: touched_by_merge(value) for name, value in patch.items() if isinstance(value, dict)}


def touched_by_operations(operations: Iterable[Any]) -> Touched:
    """What a JSON patch takes apart."""
    found: Touched = {}
    for operation in operations:
        for pointer in (operation.get("path"), operation.get("from")):
            node = found
            for part in pointer.split("/")[1:-1] if isinstance(pointer, str) else ():
                node = node.setdefault(part.replace("~1", "/").replace("~0", "~"), {})
    return found


def shown(resource: Resource, obj: Any, touched: Touched) -> str:
    """The JSON of `obj`; of a custom resource everything is sorted."""
    message = None if resource.custom else table.message_of(resource.api_version, resource.kind)
    return orjson.dumps(_ordered(message or "", obj, touched, is_touched=True)).decode()


def _ordered(kind: str, value: Any, touched: Touched, *, is_touched: bool) -> Any:
    """`kind` is the field's, as `protobuf.table` has it: a message, `[]` or `{}` of one, or empty."""
    if isinstance(value, list):
        return [_ordered(kind.removeprefix("[]"), item, {}, is_touched=False) for item in value]
    if not isinstance(value, dict):
        return value
    rows = {} if is_touched else _rows(kind)
    kinds = {name: held for name, (_, held) in _rows(kind).items()}
    inner = kind[2:] if kind.startswith("{}") else ""
    return {
        name: _ordered(kinds.get(name, inner), value[name], touched.get(name, {}), is_touched=name in touched)
        for name in sorted(value, key=lambda name: (rows[name][0] if name in rows else 0.0, name))
    }


@cache
def _rows(message: str) -> dict[str, tuple[float, str]]:
    """By field name: its place, and its kind; nothing for what is no message."""
    if "." not in message or message.startswith(("{}", "[]")):
        return {}
    try:
        found = table.shape(message)
    except KeyError:
        return {}
    places = {row.name: (float(row.number), row.kind) for row in _all(found)}
    for (holder, name), other in _BEHIND.items():
        if holder == message and name in places and other in places:
            places[name] = (places[other][0] + 0.5, places[name][1])
    return places


def _all(shape: table.Shape) -> list[table.Row]:
    return [*shape.rows, *(row for inner in shape.embedded.values() for row in inner.rows)]
