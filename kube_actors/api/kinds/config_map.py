"""ConfigMap: text and bytes by key, up to a mebibyte."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import data, names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules


def _create(causes: Causes, obj: Obj) -> None:
    text, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    size = sum(len(value.encode()) for value in text.values()) + sum(map(data.decoded_size, binary.values()))
    for key in text:
        causes.each_invalid(f"data[{key}]", key, names.config_key(key))
        if key in binary:
            causes.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in binary:
        causes.each_invalid(f"binaryData[{key}]", key, names.config_key(key))
    if size > data.MAX_BYTES:
        causes.too_long("[]", data.MAX_BYTES)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    data.immutable(causes, new, old, ("data", "binaryData"))
    _create(causes, new)


KIND = Kind(rules=Rules(create=_create, update=_update))
