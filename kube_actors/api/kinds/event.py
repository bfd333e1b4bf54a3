"""Event: what happened to an object. One kind in two groups, with one set of rules each."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import events
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules


def _is_new(obj: Obj) -> bool:
    return str(obj["apiVersion"]).startswith("events.k8s.io/")


def _create(causes: Causes, obj: Obj) -> None:
    check = events.new_event if _is_new(obj) else events.core_event
    check(causes, obj)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    if _is_new(new):
        events.new_event_update(causes, new, old)
    else:
        events.core_event(causes, new)


KIND = Kind(
    rules=Rules(create=_create, update=_update, checks_metadata=False),
    rest=RestRules(create_on_update=True),
)
