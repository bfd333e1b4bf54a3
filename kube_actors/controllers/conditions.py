"""Conditions as pure values: set, remove, compare, with the timestamps as Kubernetes moves them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj


def find(conditions: Iterable[Obj], kind: str) -> Obj | None:
    return next((found for found in conditions if found.get("type") == kind), None)


def make(kind: str, status: str, reason: str, message: str, now: float) -> Obj:
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": rfc3339(now),
        "reason": reason,
        "message": message,
    }


def without(conditions: Iterable[Obj], kind: str) -> list[Obj]:
    return [found for found in conditions if found.get("type") != kind]


def put(conditions: Sequence[Obj], new: Obj) -> list[Obj]:
    """The conditions with `new` in place of the one of its type.

    The same status with the same reason changes nothing, and lastTransitionTime stays while the status stays:
    else every sync would write.
    """
    old = find(conditions, new["type"])
    if old is not None and old.get("status") == new["status"] and old.get("reason") == new.get("reason"):
        return list(conditions)
    if old is not None and old.get("status") == new["status"]:
        new = new | {"lastTransitionTime": old.get("lastTransitionTime", new["lastTransitionTime"])}
    return [*without(conditions, new["type"]), new]
