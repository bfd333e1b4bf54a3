"""The PersistentVolumeClaims of a StatefulSet's pods, and whom they belong to. Pure.

Who owns a claim follows from persistentVolumeClaimRetentionPolicy, and the garbage collector does the rest:

    whenScaled  whenDeleted   owner of the claim of a pod in the range / outside of it
    Retain      Retain        nobody        / nobody
    Retain      Delete        StatefulSet   / StatefulSet
    Delete      Retain        nobody        / the pod
    Delete      Delete        StatefulSet   / the pod
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from kube_actors.api import Obj
from kube_actors.api.meta import controller_ref, get_path, is_deleting, labels_of, name_of, namespace_of, uid_of
from kube_actors.api.resources import builtin
from kube_actors.controllers.actions import CreateObject, PatchObject
from kube_actors.controllers.ownership import owners_patch

CLAIMS = builtin("v1", "persistentvolumeclaims")
# The claim of that name, as the cache shows it.
FindClaim = Callable[[str], Obj | None]


def claim_templates(owner: Obj) -> Sequence[Obj]:
    return owner["spec"].get("volumeClaimTemplates") or ()


def claim_name(owner: Obj, template: Obj, ordinal: int) -> str:
    return f"{name_of(template)}-{name_of(owner)}-{ordinal}"


def claim_names(owner: Obj, ordinal: int) -> list[str]:
    return [claim_name(owner, template, ordinal) for template in claim_templates(owner)]


def missing_claims(owner: Obj, pod: Obj, ordinal: int, in_range: bool, find: FindClaim) -> list[CreateObject]:
    """The claims that the pod needs and that do not exist."""
    actions: list[CreateObject] = []
    for template in claim_templates(owner):
        name = claim_name(owner, template, ordinal)
        if find(name) is not None:
            continue
        metadata = {key: value for key, value in template["metadata"].items() if key in ("labels", "annotations")}
        metadata["labels"] = labels_of(template) | get_path(owner, "spec", "selector", "matchLabels", default={})
        metadata |= {"name": name, "namespace": namespace_of(owner)}
        if references := _wanted(owner, pod, in_range):
            metadata["ownerReferences"] = references
        claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]}
        actions.append(CreateObject(CLAIMS, claim))
    return actions


def must_wait(owner: Obj, pod: Obj, ordinal: int, find: FindClaim) -> bool:
    """Whether a claim is going: it is being deleted, or it belongs to an earlier pod of the name."""
    found = [claim for name in claim_names(owner, ordinal) if (claim := find(name)) is not None]
    return any(is_deleting(claim) or _is_stale(claim, pod) for claim in found)


def owner_patches(owner: Obj, pod: Obj, ordinal: int, in_range: bool, find: FindClaim) -> list[PatchObject]:
    """What gives the pod's claims the owner that the policy wants."""
    patches: list[PatchObject] = []
    for name in claim_names(owner, ordinal):
        claim = find(name)
        if claim is None or _is_stale(claim, owner) or _is_stale(claim, pod):
            # Of an earlier object of that name: the garbage collector's.
            continue
        before = _references(claim)
        rest = [ref for ref in before if not _names(ref, owner) and not _names(ref, pod)]
        foreign = _has_other_controller(rest) and _policy(owner) != ("Retain", "Retain")
        after = rest if foreign else [*rest, *_wanted(owner, pod, in_range)]
        if _by_uid(before) != _by_uid(after):
            patches.append(owners_patch(claim, CLAIMS, after))
    return patches


def _wanted(owner: Obj, pod: Obj, in_range: bool) -> list[Obj]:
    scaled, deleted = _policy(owner)
    if scaled == "Delete" and not in_range:
        return [controller_ref(pod)]
    return [controller_ref(owner)] if deleted == "Delete" else []


def _policy(owner: Obj) -> tuple[str, str]:
    policy = owner["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return policy.get("whenScaled", "Retain"), policy.get("whenDeleted", "Retain")


def _references(claim: Obj) -> list[Obj]:
    return claim["metadata"].get("ownerReferences") or []


def _names(ref: Obj, obj: Obj) -> bool:
    return (ref.get("apiVersion"), ref.get("kind"), ref.get("name")) == (obj["apiVersion"], obj["kind"], name_of(obj))


def _is_stale(claim: Obj, obj: Obj) -> bool:
    """Whether it belongs to another object of the same kind and name."""
    return any(_names(ref, obj) and ref.get("uid") != uid_of(obj) for ref in _references(claim))


def _has_other_controller(references: Iterable[Obj]) -> bool:
    return any(ref.get("controller") for ref in references)


def _by_uid(references: Iterable[Obj]) -> dict[str, bool]:
    return {str(ref.get("uid")): bool(ref.get("controller")) for ref in references}
