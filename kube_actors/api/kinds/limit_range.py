"""LimitRange: what containers, pods and claims of a namespace may ask for, and ask for by default."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation.limits import limit_range
from kube_actors.api.validation.rules import Rules


def _defaults(obj: Obj) -> None:
    for limit in obj["spec"].get("limits") or ():
        if limit.get("type") == "Container":
            _fill(limit)


def _fill(limit: Obj) -> None:
    """A default is the maximum, a default request is the default or else the minimum."""
    default, request = limit.setdefault("default", {}), limit.setdefault("defaultRequest", {})
    for name, amount in (limit.get("max") or {}).items():
        default.setdefault(name, amount)
    for amounts in (default, limit.get("min") or {}):
        for name, amount in amounts.items():
            request.setdefault(name, amount)
    for field in ("default", "defaultRequest"):
        if not limit[field]:
            del limit[field]


KIND = Kind(rules=Rules(create=limit_range), rest=RestRules(create_on_update=True), defaults=_defaults)
