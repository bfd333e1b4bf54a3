"""Claiming: which objects a controller owns, which orphans it adopts, which it lets go. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.meta import controller_of, controller_ref, is_deleting, name_of, namespace_of, uid_of
from kube_actors.api.resources import Resource
from kube_actors.controllers.actions import PatchObject

Matches = Callable[[Obj], bool]


@dataclass(frozen=True, slots=True)
class Claims:
    """`owned` are the owner's already; `adopt` and `release` are patches, by the object they are for."""

    owned: tuple[Obj, ...]
    adopt: tuple[tuple[Obj, PatchObject], ...]
    release: tuple[PatchObject, ...]


def claim(
    owner: Obj, matches: Matches, candidates: Iterable[Obj], resource: Resource, *, finalizer: str = ""
) -> Claims:
    """Sort `candidates` as Kubernetes' ControllerRefManager does. What is adopted gets the `finalizer` with it.

    Owned and matching: kept. Owned and not matching any more: released. Without a controller and matching:
    adopted. An owner that is being deleted neither adopts nor releases; an object that is being deleted is
    not adopted.
    """
    owned: list[Obj] = []
    adopt: list[tuple[Obj, PatchObject]] = []
    release: list[PatchObject] = []
    deleting = is_deleting(owner)
    for obj in candidates:
        ref = controller_of(obj)
        if ref is not None:
            if ref.get("uid") != uid_of(owner):
                continue
            if matches(obj):
                owned.append(obj)
            elif not deleting:
                release.append(release_patch(owner, obj, resource))
        elif not deleting and not is_deleting(obj) and matches(obj):
            adopt.append((obj, adopt_patch(owner, obj, resource, finalizer=finalizer)))
    return Claims(tuple(owned), tuple(adopt), tuple(release))


def adopt_patch(owner: Obj, obj: Obj, resource: Resource, *, finalizer: str = "") -> PatchObject:
    """Make `owner` the controller. The uid in the patch refuses another object of the same name."""
    references = [ref for ref in obj["metadata"].get("ownerReferences") or () if ref.get("uid") != uid_of(owner)]
    patch = owners_patch(obj, resource, [*references, controller_ref(owner)])
    present = obj["metadata"].get("finalizers") or []
    if finalizer and finalizer not in present:
        patch.patch["metadata"]["finalizers"] = [*present, finalizer]
    return patch


def release_patch(owner: Obj, obj: Obj, resource: Resource) -> PatchObject:
    """Take `owner` out of the references."""
    references = [ref for ref in obj["metadata"].get("ownerReferences") or () if ref.get("uid") != uid_of(owner)]
    return owners_patch(obj, resource, references)


def owners_patch(obj: Obj, resource: Resource, references: list[Obj]) -> PatchObject:
    """Give `obj` these references, provided that it has not changed since."""
    # The list is replaced as a whole, so the patch must not meet a newer one: hence the resourceVersion.
    metadata: Obj = {"uid": uid_of(obj), "ownerReferences": references}
    if version := obj["metadata"].get("resourceVersion"):
        metadata["resourceVersion"] = version
    return PatchObject(resource, namespace_of(obj), name_of(obj), {"metadata": metadata})
