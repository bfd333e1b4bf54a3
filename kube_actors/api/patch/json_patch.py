"""JSON patch, RFC 6902, with the leniencies of the library that kube-apiserver uses.

`replace` of a missing key of an object adds it, indices may be negative, and a `test` for null passes where
nothing is. Everything else that the RFC calls an error raises PatchError.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from kube_actors.api.patch.errors import PatchError

MAX_OPERATIONS = 10_000


def json_patch(obj: Any, operations: Sequence[dict[str, Any]]) -> Any:
    """A new document: `operations` done on `obj` one after another, all or none. Raises PatchError."""
    if len(operations) > MAX_OPERATIONS:
        raise PatchError(f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}")
    document = copy.deepcopy(obj)
    for operation in operations:
        if not isinstance(operation, dict):
            raise PatchError("an operation has to be an object")
        document = _apply(document, operation)
    return document


def _apply(document: Any, operation: dict[str, Any]) -> Any:
    name = operation.get("op")
    path = _pointer(operation.get("path"))
    if name in ("add", "replace"):
        return _put(document, path, _value(operation), insert=name == "add")
    if name == "remove":
        return _remove(document, path)
    if name == "test":
        _test(document, path, operation.get("value"))
        return document
    if name in ("move", "copy"):
        source = _pointer(operation.get("from"))
        value = _get(document, source)
        if name == "move":
            document = _remove(document, source)
        return _put(document, path, copy.deepcopy(value), insert=True)
    raise PatchError(f"Unexpected kind: {name}")


def _value(operation: dict[str, Any]) -> Any:
    if "value" not in operation:
        raise PatchError(f"operation {operation.get('op')} needs a value")
    return copy.deepcopy(operation["value"])


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise PatchError(f"{text!r} is no JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _index(items: list[Any], key: str, *, insert: bool = False) -> int:
    """The place that `key` names; `-` and the length itself only where something is inserted."""
    if insert and key == "-":
        return len(items)
    try:
        index = int(key)
    except ValueError:
        raise PatchError(f"{key!r} is no index of a list") from None
    length = len(items) + 1 if insert else len(items)
    if not -length <= index < length:
        raise PatchError(f"Unable to access invalid index: {index}")
    return index + length if index < 0 else index


def _step(container: Any, key: str) -> Any:
    if isinstance(container, dict) and key in container:
        return container[key]
    if isinstance(container, list):
        return container[_index(container, key)]
    raise PatchError(f"missing path: {key}")


def _get(document: Any, path: list[str]) -> Any:
    for key in path:
        document = _step(document, key)
    return document


def _put(document: Any, path: list[str], value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    parent = _get(document, path[:-1])
    key = path[-1]
    if isinstance(parent, dict):
        parent[key] = value
    elif isinstance(parent, list):
        if insert:
            parent.insert(_index(parent, key, insert=True), value)
        else:
            parent[_index(parent, key)] = value
    else:
        raise PatchError(f"missing path: {key}")
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        raise PatchError("the whole document cannot be removed")
    parent = _get(document, path[:-1])
    key = path[-1]
    if isinstance(parent, dict) and key in parent:
        del parent[key]
    elif isinstance(parent, list):
        del parent[_index(parent, key)]
    else:
        raise PatchError(f"Unable to remove nonexistent key: {key}")
    return document


def _test(document: Any, path: list[str], expected: Any) -> None:
    try:
        found = _get(document, path)
    except PatchError:
        if expected is None:
            return
        raise
    if not _same(found, expected):
        raise PatchError(f"testing value /{'/'.join(path)} failed")


def _same(left: Any, right: Any) -> bool:
    """Equal as JSON: True is not 1."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right) and isinstance(left, bool) == isinstance(right, bool)
