"""Conditions in a status: the ones that all kinds share (metav1/validation's ValidateConditions)."""

from __future__ import annotations

import re

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes

STATES = ("False", "True", "Unknown")
_REASON_MAX, _MESSAGE_MAX = 1024, 32 * 1024
_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_REASON_TEXT = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_'"
)


def conditions(causes: Causes, items: list[Obj], path: str) -> None:
    """Each complete, one of each type."""
    places: dict[str, int] = {}
    for index, condition in enumerate(items):
        here, kind = f"{path}[{index}]", condition.get("type", "")
        if kind in places:
            causes.duplicate(f"{here}.type", kind)
        places.setdefault(kind, index)
        _condition(causes, condition, here)


def _condition(causes: Causes, condition: Obj, path: str) -> None:
    kind, status, reason = (condition.get(field, "") for field in ("type", "status", "reason"))
    causes.each_invalid(f"{path}.type", kind, names.qualified_name(kind))
    if status not in STATES:
        causes.unsupported(f"{path}.status", status, STATES)
    causes.not_negative(f"{path}.observedGeneration", condition.get("observedGeneration", 0))
    if not condition.get("lastTransitionTime"):
        causes.required(f"{path}.lastTransitionTime")
    if not reason:
        causes.required(f"{path}.reason")
    elif len(reason) > _REASON_MAX:
        causes.too_long(f"{path}.reason", _REASON_MAX)
    elif not _REASON.fullmatch(reason):
        text = names.regex_error(
            _REASON_TEXT, _REASON.pattern, "my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB"
        )
        causes.invalid(f"{path}.reason", reason, text)
    if len(condition.get("message", "")) > _MESSAGE_MAX:
        causes.too_long(f"{path}.message", _MESSAGE_MAX)
