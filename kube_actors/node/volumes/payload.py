"""The files of a volume that is made of objects."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kube_actors.api import Obj

DEFAULT_MODE = 0o644


class VolumeFailure(Exception):
    """The volume cannot be had now: FailedMount with this text."""


@dataclass(frozen=True, slots=True)
class File:
    """`user` None: the node's own."""

    data: bytes
    mode: int = DEFAULT_MODE
    user: int | None = None


# Relative path to file.
Payload = dict[str, File]


def content_of(source: Obj) -> dict[str, bytes]:
    """The entries of a ConfigMap or Secret as bytes."""
    data = source.get("data") or {}
    if source.get("kind") == "Secret":
        return {key: base64.b64decode(value or "") for key, value in data.items()}
    binary = {key: base64.b64decode(value or "") for key, value in (source.get("binaryData") or {}).items()}
    return {key: str(value).encode() for key, value in data.items()} | binary


def select(
    content: Mapping[str, bytes], items: Iterable[Obj] | None, default_mode: int, *, optional: bool, what: str
) -> Payload:
    """All entries, or those that `items` name. Raises VolumeFailure for a key that is not there."""
    if not items:
        return {key: File(data, default_mode) for key, data in content.items()}
    payload: Payload = {}
    for item in items:
        key = str(item["key"])
        if key not in content:
            if optional:
                continue
            raise VolumeFailure(f"{what}: {key}")
        mode = item.get("mode")
        payload[str(item["path"])] = File(content[key], default_mode if mode is None else int(mode))
    return payload


def mode_of(source: Obj) -> int:
    mode = source.get("defaultMode")
    return DEFAULT_MODE if mode is None else int(mode)
