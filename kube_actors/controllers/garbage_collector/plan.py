"""What to do with one object, given what its owners are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from kube_actors.api import Obj
from kube_actors.api.meta import name_of, namespace_of, uid_of
from kube_actors.api.resources import Resource
from kube_actors.controllers.actions import Action, DeleteObject, PatchObject
from kube_actors.controllers.garbage_collector.graph import FOREGROUND, ORPHAN


class Owner(Enum):
    """What a live look at an owner gave."""

    SOLID = "it exists and stays"
    WAITING = "it is being deleted in the foreground and waits for its dependents"
    DANGLING = "it does not exist, or another object has its name"


def plan_collect(
    resource: Resource, obj: Obj, owners: Mapping[str, Owner], *, has_dependents: bool, dependent_waits: bool
) -> list[Action]:
    """Delete `obj`, take dead references from it, or leave it. `owners` is by the uid of each reference.

    `has_dependents` and `dependent_waits` (one of them waits for its own dependents) are the graph's.
    """
    references: list[Obj] = obj["metadata"].get("ownerReferences") or []
    if not references:
        return []
    states = {str(each.get("uid")): owners[str(each.get("uid"))] for each in references}
    if Owner.SOLID in states.values():
        kept = [each for each in references if states[str(each.get("uid"))] is Owner.SOLID]
        return [] if len(kept) == len(references) else [_patch(resource, obj, {"ownerReferences": kept})]
    if Owner.WAITING in states.values() and has_dependents:
        actions: list[Action] = []
        if dependent_waits:
            # Perhaps a circle of objects that wait for each other: this one blocks nobody any more.
            free = [each | {"blockOwnerDeletion": False} for each in references]
            if free != references:
                actions.append(_patch(resource, obj, {"ownerReferences": free}))
        return [*actions, _delete(resource, obj, "Foreground")]
    return [_delete(resource, obj, _policy(obj))]


def plan_unblocked(resource: Resource, obj: Obj) -> list[Action]:
    """Nothing blocks the foreground deletion of `obj` any more: take its finalizer."""
    return without_finalizer(resource, obj, FOREGROUND)


def plan_orphan(resource: Resource, dependent: Obj, owner: str) -> list[Action]:
    """Take the reference to `owner` from a dependent."""
    references: list[Obj] = dependent["metadata"].get("ownerReferences") or []
    kept = [each for each in references if each.get("uid") != owner]
    return [] if len(kept) == len(references) else [_patch(resource, dependent, {"ownerReferences": kept})]


def without_finalizer(resource: Resource, obj: Obj, finalizer: str) -> list[Action]:
    finalizers: Iterable[str] = obj["metadata"].get("finalizers") or ()
    if finalizer not in finalizers:
        return []
    return [_patch(resource, obj, {"finalizers": [each for each in finalizers if each != finalizer]})]


def _policy(obj: Obj) -> str:
    """How the object's own dependents go: as its finalizers say, else in the background."""
    finalizers = obj["metadata"].get("finalizers") or ()
    if ORPHAN in finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in finalizers else "Background"


def _patch(resource: Resource, obj: Obj, change: Obj) -> PatchObject:
    # The list goes as a whole, so it must meet the object that it was made from.
    metadata = {"uid": uid_of(obj), "resourceVersion": obj["metadata"].get("resourceVersion")} | change
    return PatchObject(resource, namespace_of(obj), name_of(obj), {"metadata": metadata})


def _delete(resource: Resource, obj: Obj, propagation: str) -> DeleteObject:
    return DeleteObject(resource, namespace_of(obj), name_of(obj), uid=uid_of(obj), propagation=propagation)
