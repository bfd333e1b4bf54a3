"""RoleBinding: who gets a role in one namespace."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import access, names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules


def _create(causes: Causes, obj: Obj) -> None:
    access.binding(causes, obj, namespaced=True)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    access.binding_update(causes, new, old, namespaced=True)


KIND = Kind(
    rules=Rules(create=_create, update=_update, name=names.path_segment),
    rest=RestRules(create_on_update=True),
    defaults=access.binding_defaults,
)
