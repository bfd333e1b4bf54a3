"""Binds one volume and one claim: what is still to be written, on both sides. Pure."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, get_path, name_of, namespace_of, uid_of
from kube_actors.api.volumes import BIND_COMPLETED, BOUND, BOUND_BY_CONTROLLER, CLAIMS, VOLUMES, claim_reference
from kube_actors.controllers.actions import Action, PatchObject, UpdateObject


def bound_reference(claim: Obj) -> Obj:
    """spec.claimRef as the binder writes it: with the claim as it was seen."""
    return claim_reference(claim) | {"resourceVersion": str(claim["metadata"].get("resourceVersion") or "")}


def annotated(obj: Obj, *names: str) -> Obj:
    """The object with these annotations set to yes."""
    annotations = annotations_of(obj) | dict.fromkeys(names, "yes")
    return obj | {"metadata": obj["metadata"] | {"annotations": annotations}}


def bind(volume: Obj, claim: Obj) -> list[Action]:
    """The writes that are missing, the volume's first; none where both sides are done."""
    return [*_volume_side(volume, claim), *_claim_side(volume, claim)]


def set_phase(volume: Obj, phase: str, message: str = "") -> list[Action]:
    """Write a volume's status.phase, if it is another."""
    status = volume.get("status") or {}
    if status.get("phase") == phase and (status.get("message") or "") == message:
        return []
    patch = {"status": {"phase": phase, "message": message or None}}
    return [PatchObject(VOLUMES, "", name_of(volume), patch, subresource="status")]


def _volume_side(volume: Obj, claim: Obj) -> list[Action]:
    actions: list[Action] = []
    if get_path(volume, "spec", "claimRef", "uid") != uid_of(claim):
        chosen = volume["spec"].get("claimRef") is None
        bound = annotated(volume, BOUND_BY_CONTROLLER) if chosen else volume
        actions.append(UpdateObject(VOLUMES, bound | {"spec": bound["spec"] | {"claimRef": bound_reference(claim)}}))
    return actions + set_phase(volume, BOUND)


def _claim_side(volume: Obj, claim: Obj) -> list[Action]:
    actions: list[Action] = []
    namespace, name = namespace_of(claim), name_of(claim)
    chosen = not claim["spec"].get("volumeName")
    if chosen or BIND_COMPLETED not in annotations_of(claim):
        marks = (BIND_COMPLETED, BOUND_BY_CONTROLLER) if chosen else (BIND_COMPLETED,)
        bound = annotated(claim, *marks)
        actions.append(UpdateObject(CLAIMS, bound | {"spec": bound["spec"] | {"volumeName": name_of(volume)}}))
    status: Obj = {"phase": BOUND, "accessModes": volume["spec"].get("accessModes") or []}
    present = claim.get("status") or {}
    if present.get("phase") != BOUND:
        # Later changes of the capacity are the expander's to tell.
        status["capacity"] = volume["spec"].get("capacity") or {}
    if any(present.get(key) != value for key, value in status.items()):
        actions.append(PatchObject(CLAIMS, namespace, name, {"status": status}, subresource="status"))
    return actions
