"""What a volume needs next: its phase, to be given free, or to be reclaimed. Pure."""

from __future__ import annotations

from collections.abc import Collection

from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, get_path, is_deleting, name_of, uid_of
from kube_actors.api.volumes import (
    AVAILABLE,
    BOUND,
    BOUND_BY_CONTROLLER,
    FAILED,
    PROVISIONED_BY,
    RELEASED,
    VOLUMES,
)
from kube_actors.controllers.actions import WARNING, Action, DeleteObject, RecordEvent, UpdateObject
from kube_actors.controllers.persistentvolume.binding import set_phase

NO_DELETER = 'error getting deleter volume plugin for volume "{name}": no deletable volume plugin matched'
NO_RECYCLER = "no volume plugin recycles volumes: policy Recycle is deprecated"


def plan_volume(volume: Obj, claim: Obj | None, ours: Collection[str]) -> list[Action]:
    """The next steps for a volume. `claim` is what claimRef names, if it exists; `ours` the provisioners here."""
    reference = volume["spec"].get("claimRef")
    if reference is None:
        return set_phase(volume, AVAILABLE)
    if not reference.get("uid"):
        # Set aside for a claim by name; the claim's own plan binds it.
        return set_phase(volume, AVAILABLE)
    if claim is None or uid_of(claim) != reference["uid"]:
        return _released(volume, ours)
    chosen = str(claim["spec"].get("volumeName") or "")
    if chosen == name_of(volume):
        return set_phase(volume, BOUND)
    if not chosen:
        return []
    if annotations_of(volume).get(PROVISIONED_BY) and _policy(volume) == "Delete":
        # Made for a claim that took another one meanwhile: nobody has used it.
        return _released(volume, ours)
    return _unbind(volume) if BOUND_BY_CONTROLLER in annotations_of(volume) else []


def _released(volume: Obj, ours: Collection[str]) -> list[Action]:
    phase = get_path(volume, "status", "phase")
    if phase not in (RELEASED, FAILED):
        # The event of that write comes back here to reclaim.
        return set_phase(volume, RELEASED)
    if is_deleting(volume) or phase == FAILED:
        return []
    policy = _policy(volume)
    if policy == "Delete":
        return _delete(volume, ours)
    return _fail(volume, "VolumeFailedRecycle", NO_RECYCLER) if policy == "Recycle" else []


def _delete(volume: Obj, ours: Collection[str]) -> list[Action]:
    provisioner = annotations_of(volume).get(PROVISIONED_BY, "")
    if provisioner in ours:
        return [DeleteObject(VOLUMES, "", name_of(volume), uid=uid_of(volume))]
    if provisioner or volume["spec"].get("csi") is not None:
        # Whoever provisioned it deletes it.
        return []
    return _fail(volume, "VolumeFailedDelete", NO_DELETER.format(name=name_of(volume)))


def _fail(volume: Obj, reason: str, text: str) -> list[Action]:
    return [RecordEvent(volume, WARNING, reason, text), *set_phase(volume, FAILED, text)]


def _unbind(volume: Obj) -> list[Action]:
    annotations = {key: value for key, value in annotations_of(volume).items() if key != BOUND_BY_CONTROLLER}
    spec = {key: value for key, value in volume["spec"].items() if key != "claimRef"}
    metadata = volume["metadata"] | {"annotations": annotations}
    return [UpdateObject(VOLUMES, volume | {"metadata": metadata, "spec": spec}), *set_phase(volume, AVAILABLE)]


def _policy(volume: Obj) -> str:
    return str(volume["spec"].get("persistentVolumeReclaimPolicy") or "Retain")
