"""Objects as bytes: encoded once when written, never again.

The store keeps an object as JSON without its resourceVersion, for that is the revision of the write
and unknown before it. `with_resource_version` puts it in by splicing bytes, without parsing:

    stored    {"kind":"Pod","apiVersion":"v1","metadata":{"name":"a",...
    served    {"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"7","name":"a",...
"""

from __future__ import annotations

from typing import Any

import orjson

from kube_actors.api import Obj

_METADATA = b'"metadata":{'
_SLOT_WITHIN = 512  # kind and apiVersion come before it and are short


def dumps(value: Any) -> bytes:
    return orjson.dumps(value)


def loads(data: bytes | str) -> Any:
    """Raises ValueError where `data` is not JSON."""
    return orjson.loads(data)


def encode(obj: Obj) -> bytes:
    """The bytes to store: kind, apiVersion and metadata first, no resourceVersion."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "resourceVersion"}
    rest = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion", "metadata")}
    return orjson.dumps({"kind": obj["kind"], "apiVersion": obj["apiVersion"], "metadata": metadata} | rest)


def with_resource_version(stored: bytes, revision: int) -> bytes:
    """The bytes to serve. `stored` is as `encode` made it, with a metadata that is not empty."""
    slot = stored.index(_METADATA, 0, _SLOT_WITHIN) + len(_METADATA)
    return b'%b"resourceVersion":"%d",%b' % (stored[:slot], revision, stored[slot:])


def decode(stored: bytes, revision: int) -> Obj:
    """The object that `stored` holds, as of `revision`."""
    obj: Obj = orjson.loads(stored)
    obj["metadata"]["resourceVersion"] = str(revision)
    return obj
