"""Objects in other shapes: Tables as `kubectl get` prints them, and metadata alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kube_actors.api import Obj, encoding, errors, tables
from kube_actors.api.resources import Resource

# What a row holds of its object: ?includeObject=
INCLUDE_NONE, INCLUDE_METADATA, INCLUDE_OBJECT = "None", "Metadata", "Object"
_INCLUDES = ("", INCLUDE_NONE, INCLUDE_METADATA, INCLUDE_OBJECT)
PARTIAL = "PartialObjectMetadata"


def partial(obj: Obj) -> Obj:
    """The object's metadata as a meta.k8s.io/v1 PartialObjectMetadata."""
    return {"kind": PARTIAL, "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def partial_bytes(data: bytes) -> bytes:
    return encoding.dumps(partial(encoding.loads(data)))


def table(
    resource: Resource, objects: Iterable[Obj], now: float, metadata: Obj, *, include: str = "", headers: bool = True
) -> Obj:
    """A Table of these objects; `metadata` is that of the list. Raises BadRequest for an unknown `include`."""
    if include not in _INCLUDES:
        text = f"includeObject: Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
        raise errors.BadRequest(f"Unable to convert to Table as requested: {text}")
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": tables.table_columns(resource) if headers else None,
        "rows": [_row(resource, obj, now, include) for obj in objects],
    }


def _row(resource: Resource, obj: Obj, now: float, include: str) -> Obj:
    row: Obj = {"cells": tables.table_row(resource, obj, now)}
    conditions = tables.table_row_conditions(resource, obj)
    if conditions:
        row["conditions"] = conditions
    row["object"] = _included(obj, include or INCLUDE_METADATA)
    return row


def table_of_one(
    resource: Resource, now: float, include: str = "", *, headers: bool = True
) -> Callable[[bytes], bytes]:
    """From an object's bytes to those of a Table of it, as single reads and watches have it."""

    def convert(data: bytes) -> bytes:
        obj = encoding.loads(data)
        if obj.get("kind") == "Status":
            return data
        version = obj["metadata"].get("resourceVersion")
        metadata = {"resourceVersion": version} if version else {}
        return encoding.dumps(table(resource, [obj], now, metadata, include=include, headers=headers))

    return convert


def _included(obj: Obj, include: str) -> Obj | None:
    if include == INCLUDE_OBJECT:
        return obj
    return partial(obj) if include == INCLUDE_METADATA else None


def bookmark_table(data: bytes) -> bytes:
    """A bookmark as a Table without rows, which carries the resourceVersion and annotations in its metadata."""
    bookmark = encoding.loads(data)
    row = {"cells": [], "object": {**partial(bookmark)}}
    return encoding.dumps(
        {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": bookmark["metadata"],
            "columnDefinitions": [],
            "rows": [row],
        }
    )
