"""Whether an object may be created or changed so, in Kubernetes' words and order.

`validate_create` and `validate_update` return the causes of a 422; none means it is valid. Objects are in normal
form with defaults set. One file a group of kinds with a table `RULES`; `names` holds the checks of names and labels.
What depends on other objects (does the service account exist?) is admission's, not this.
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.errors import Cause, Invalid
from kube_actors.api.errors import invalid as _invalid
from kube_actors.api.resources import Resource


def invalid(resource: Resource, name: str, causes: list[Cause]) -> Invalid:
    """The refusal of an object: 422, with the names that Kubernetes gives its kind there."""
    # Events of both groups are validated as one kind, of the core group.
    group = "" if resource.kind == "Event" else resource.group
    return _invalid(resource.kind, group, name, causes)


# The engine is imported late: selectors need `names` from here, and rules need selectors.


def validate_create(resource: Resource, obj: Obj) -> list[Cause]:
    """What is wrong with a new object."""
    from kube_actors.api.validation import engine

    return engine.validate_create(resource, obj)


def validate_update(resource: Resource, new: Obj, old: Obj) -> list[Cause]:
    """What is wrong with `new` as the next state of `old`."""
    from kube_actors.api.validation import engine

    return engine.validate_update(resource, new, old)


def validate_status_update(resource: Resource, new: Obj, old: Obj) -> list[Cause]:
    """What is wrong with `new` as the next state of `old` through the status subresource."""
    from kube_actors.api.validation import engine

    return engine.validate_status_update(resource, new, old)


def validate_view_update(resource: Resource, view: str, new: Obj, old: Obj) -> list[Cause]:
    """What is wrong with `new` as the next state of `old` through a subresource that the kind has for itself."""
    from kube_actors.api.validation import engine

    return engine.validate_view_update(resource, view, new, old)
