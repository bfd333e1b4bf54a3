"""What the kinds of flowcontrol.apiserver.k8s.io have in common, and the objects that every cluster has.

Kubernetes: pkg/apis/flowcontrol/validation and k8s.io/apiserver's apis/flowcontrol/bootstrap.
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation.causes import Causes

EXEMPT, CATCH_ALL = "exempt", "catch-all"


def status(causes: Causes, obj: Obj) -> None:
    """Conditions have a type, each another."""
    seen: set[str] = set()
    for index, condition in enumerate((obj.get("status") or {}).get("conditions") or ()):
        path, kind = f"status.conditions[{index}].type", condition.get("type", "")
        if kind in seen:
            causes.duplicate(path, kind)
        seen.add(kind)
        if not kind:
            causes.required(path, "must not be empty")


def verbs(causes: Causes, values: list[str], path: str, known: tuple[str, ...]) -> None:
    """Verbs of a rule: some that there are, or `*` alone."""
    if not values:
        causes.required(path, "verbs must contain at least one value")
    elif "*" in values:
        if len(values) > 1:
            causes.invalid(path, values, "if '*' is present, must not specify other verbs")
    elif any(verb not in known for verb in values):
        causes.unsupported(path, values, known)


def names_or_all(causes: Causes, values: list[str], path: str, *, noun: str, missing: str) -> None:
    """Names, or `*` alone."""
    if not values:
        causes.required(path, missing)
    elif len(values) > 1 and "*" in values:
        causes.invalid(path, values, f"if '*' is present, must not specify other {noun}")
