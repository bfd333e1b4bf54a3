"""ControllerRevision: a state that a StatefulSet or DaemonSet had, which never changes."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules


def _create(causes: Causes, obj: Obj) -> None:
    if obj.get("data") is None:
        causes.required("data", "data is mandatory")
    causes.not_negative("revision", obj.get("revision", 0))


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _create(causes, new)
    if new.get("data") != old.get("data"):
        causes.invalid("data", new.get("data"), "field is immutable")


KIND = Kind(rules=Rules(create=_create, update=_update))
