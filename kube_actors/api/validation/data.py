"""What ConfigMaps and Secrets have in common: their size, and that they may be frozen."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation.causes import Causes

MAX_BYTES = 1024 * 1024
_TEXT = "field is immutable when `immutable` is set"


def decoded_size(encoded: str) -> int:
    """How many bytes a base64 text holds."""
    return len(encoded) * 3 // 4 - encoded[-2:].count("=")


def immutable(causes: Causes, new: Obj, old: Obj, fields: tuple[str, ...]) -> None:
    """Once `immutable` is set, neither it nor these fields change."""
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        causes.forbidden("immutable", _TEXT)
    for field in fields:
        if (new.get(field) or {}) != (old.get(field) or {}):
            causes.forbidden(field, _TEXT)
