"""The order in which the checks of an object run, as rest.BeforeCreate and rest.BeforeUpdate run them."""

from __future__ import annotations

from kube_actors.api import Obj, kinds
from kube_actors.api.crd import checks
from kube_actors.api.errors import Cause
from kube_actors.api.resources import Resource
from kube_actors.api.validation import metadata, names
from kube_actors.api.validation.causes import Causes


def validate_create(resource: Resource, obj: Obj) -> list[Cause]:
    """What is wrong with a new object."""
    causes = Causes()
    rules = kinds.of(resource).rules
    if rules.checks_metadata:
        metadata.metadata(causes, obj["metadata"], resource.namespaced, rules.name)
    if rules.create is not None:
        rules.create(causes, obj)
    if resource.definition is not None:
        causes += checks.check_create(resource.definition.schema, obj)
    if not causes and not rules.checks_metadata:
        metadata.metadata(causes, obj["metadata"], resource.namespaced, names.path_segment)
    return causes


def validate_update(resource: Resource, new: Obj, old: Obj) -> list[Cause]:
    """What is wrong with `new` as the next state of `old`."""
    causes = _metadata_update(new, old)
    rules = kinds.of(resource).rules
    if rules.update is not None:
        rules.update(causes, new, old)
    elif rules.create is not None:
        rules.create(causes, new)
    if resource.definition is not None:
        causes += checks.check_update(resource.definition.schema, new, old)
    return causes


def validate_status_update(resource: Resource, new: Obj, old: Obj) -> list[Cause]:
    """What is wrong with `new` as the next state of `old` through the status subresource."""
    causes = _metadata_update(new, old)
    rules = kinds.of(resource).rules
    if rules.status is not None:
        rules.status(causes, new, old)
    if resource.definition is not None:
        causes += checks.check_update(resource.definition.schema, new, old)
    return causes


def validate_view_update(resource: Resource, view: str, new: Obj, old: Obj) -> list[Cause]:
    """What is wrong with `new` as the next state of `old` through a subresource that the kind has for itself."""
    causes = _metadata_update(new, old)
    kinds.of(resource).views[view].validate(causes, new, old)
    return causes


def _metadata_update(new: Obj, old: Obj) -> Causes:
    causes = Causes()
    metadata.metadata_update(causes, new["metadata"], old["metadata"])
    if causes:  # the generic registry checks it, and then every kind does again
        metadata.metadata_update(causes, new["metadata"], old["metadata"])
    return causes
