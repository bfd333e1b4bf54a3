"""PriorityClass: a name for how important pods are."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

SYSTEM_PREFIX = "system-"
# The classes that every cluster has, and their values.
SYSTEM_CLASSES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
_USER_MAX = 1_000_000_000
_POLICIES = ("PreemptLowerPriority", "Never")


def _defaults(obj: Obj) -> None:
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _create(causes: Causes, obj: Obj) -> None:
    name, value = obj["metadata"].get("name", ""), obj.get("value", 0)
    if name.startswith(SYSTEM_PREFIX):
        fault = _system_fault(name, value, bool(obj.get("globalDefault")))
        if fault:
            text = (
                f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. error: {fault}"
            )
            causes.forbidden("metadata.name", text)
    elif value > _USER_MAX:
        causes.forbidden("value", f"maximum allowed value of a user defined priority is {_USER_MAX}")
    policy = obj.get("preemptionPolicy")
    if policy is not None and policy not in _POLICIES:
        causes.unsupported("preemptionPolicy", policy, _POLICIES)


def _system_fault(name: str, value: int, default: bool) -> str:
    known = SYSTEM_CLASSES.get(name)
    if known is None:
        return f"{name} is not a known system priority class"
    if known != value:
        return f"value of {name} PriorityClass must be {known}"
    return f"globalDefault of {name} PriorityClass must be false" if default else ""


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    if new.get("value", 0) != old.get("value", 0):
        causes.forbidden("value", "may not be changed in an update.")
    causes.immutable("preemptionPolicy", new.get("preemptionPolicy"), old.get("preemptionPolicy"))


def _undeletable(name: str) -> str:
    return "this is a system priority class and cannot be deleted" if name in SYSTEM_CLASSES else ""


KIND = Kind(rules=Rules(create=_create, update=_update), defaults=_defaults, counted=(), undeletable=_undeletable)
