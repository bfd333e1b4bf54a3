"""Objects in other shapes: Tables as `kubectl get` prints them, and metadata alone.

Both are made of the object as it is stored, as Kubernetes makes them of its internal object: an autoscaler of
autoscaling/v1 shows all its metrics. Only a whole object in a row is of the version that was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kube_actors.api import Obj, encoding, errors, tables
from kube_actors.api.resources import Resource
from kube_actors.apiserver import versions

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
    """A Table of these objects, as they are stored or served; `metadata` is that of the list.

    Raises BadRequest for an unknown `include`.
    """
    if include not in _INCLUDES:
        text = f"includeObject: Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
        raise errors.BadRequest(f"Unable to convert to Table as requested: {text}")
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": tables.table_columns(versions.stored(resource)) if headers else None,
        "rows": [_row(resource, obj, now, include) for obj in objects],
    }


def _row(resource: Resource, obj: Obj, now: float, include: str) -> Obj:
    kept = versions.stored(resource)
    served = kept == resource or obj.get("apiVersion") == resource.api_version
    printed = versions.to_stored(resource, obj) if served and kept != resource else obj
    row: Obj = {"cells": tables.table_row(kept, printed, now)}
    conditions = tables.table_row_conditions(kept, printed)
    if conditions:
        row["conditions"] = conditions
    if include == INCLUDE_OBJECT:
        row["object"] = obj if served else versions.from_stored(resource, obj)
    else:
        row["object"] = None if include == INCLUDE_NONE else partial(printed)
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
