"""What a claim needs next: a volume, a provisioner, its consumer, or nothing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.default_class import default_class
from kube_actors.api.meta import annotations_of, get_path, is_deleting, name_of, namespace_of, uid_of
from kube_actors.api.volumes import (
    BIND_COMPLETED,
    CLAIMS,
    DEFAULT_MARKS,
    LOST,
    NO_PROVISIONER,
    PENDING,
    class_of,
    find_match,
    is_bound_to,
    is_delayed,
    mismatch,
    names_a_class,
)
from kube_actors.controllers.actions import NORMAL, WARNING, Action, PatchObject, RecordEvent, UpdateObject
from kube_actors.controllers.persistentvolume.binding import bind
from kube_actors.controllers.persistentvolume.provision import Provisioner, plan_provision

PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"


@dataclass(frozen=True, slots=True)
class World:
    """What a plan may look up; `provisioners` are those of this cluster, by name."""

    volume: Callable[[str], Obj | None]
    volumes: Callable[[], Iterable[Obj]]
    storage_class: Callable[[str], Obj | None]
    storage_classes: Callable[[], Iterable[Obj]]
    node: Callable[[str], Obj | None]
    provisioners: dict[str, Provisioner]


def plan_claim(claim: Obj, world: World) -> list[Action]:
    """The next steps for a claim."""
    volume_name = str(claim["spec"].get("volumeName") or "")
    volume = world.volume(volume_name) if volume_name else None
    if BIND_COMPLETED in annotations_of(claim):
        return _keep(claim, volume_name, volume)
    if is_deleting(claim):
        return []
    if not volume_name:
        return _find(claim, world)
    if volume is None:
        return _pending(claim)
    return _bind_to_named(claim, volume)


def _keep(claim: Obj, volume_name: str, volume: Obj | None) -> list[Action]:
    """A claim that was bound: it stays so, or it has lost its volume for good."""
    if not volume_name:
        text = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
        return _lost(claim, "ClaimLost", text)
    if volume is None:
        return _lost(claim, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
    reference = volume["spec"].get("claimRef")
    if reference is not None and reference.get("uid") != uid_of(claim):
        text = "Two claims are bound to the same volume, this one is bound incorrectly"
        return _lost(claim, "ClaimMisbound", text)
    return bind(volume, claim)


def _bind_to_named(claim: Obj, volume: Obj) -> list[Action]:
    """The user, or a write that was cut short, has chosen the volume."""
    if volume["spec"].get("claimRef") is None:
        problem = mismatch(volume, claim)
        if not problem:
            return bind(volume, claim)
        text = f'Cannot bind to requested volume "{name_of(volume)}": {problem}'
        return [RecordEvent(claim, WARNING, "VolumeMismatch", text), *_pending(claim)]
    if is_bound_to(volume, claim):
        return bind(volume, claim)
    text = f'volume "{name_of(volume)}" already bound to a different claim.'
    return [RecordEvent(claim, WARNING, "FailedBinding", text), *_pending(claim)]


def _find(claim: Obj, world: World) -> list[Action]:
    class_name = class_of(claim)
    storage_class = world.storage_class(class_name) if class_name else None
    delayed = is_delayed(claim, storage_class)
    found = find_match(claim, world.volumes(), delayed=delayed)
    if found is not None:
        return bind(found, claim)
    if not names_a_class(claim) and (default := default_class(world.storage_classes(), *DEFAULT_MARKS)):
        # A class that became the default after the claim was made; the change of the claim goes on from here.
        return [UpdateObject(CLAIMS, claim | {"spec": claim["spec"] | {"storageClassName": default}})]
    if delayed:
        text = "waiting for first consumer to be created before binding"
        return [RecordEvent(claim, NORMAL, "WaitForFirstConsumer", text), *_pending(claim)]
    if not class_name:
        text = "no persistent volumes available for this claim and no storage class is set"
        return [RecordEvent(claim, NORMAL, "FailedBinding", text), *_pending(claim)]
    if storage_class is None:
        text = f'storageclass.storage.k8s.io "{class_name}" not found'
        return [RecordEvent(claim, WARNING, "ProvisioningFailed", text), *_pending(claim)]
    return [*_provision(claim, storage_class, world), *_pending(claim)]


def _provision(claim: Obj, storage_class: Obj, world: World) -> list[Action]:
    name = str(storage_class.get("provisioner") or "")
    if name == NO_PROVISIONER:
        return [RecordEvent(claim, WARNING, "ProvisioningFailed", f"no volume plugin matched name: {name}")]
    wanted = {PROVISIONER: name, BETA_PROVISIONER: name}
    annotations = annotations_of(claim)
    if any(annotations.get(key) != value for key, value in wanted.items()):
        metadata = claim["metadata"] | {"annotations": annotations | wanted}
        # The change of the claim is the event that goes on from here.
        return [UpdateObject(CLAIMS, claim | {"metadata": metadata})]
    provisioner = world.provisioners.get(name)
    if provisioner is not None:
        return plan_provision(claim, storage_class, provisioner, world.node)
    text = (
        f"Waiting for a volume to be created either by the external provisioner '{name}' or manually by the system "
        "administrator. If volume creation is delayed, please verify that the provisioner is running and correctly "
        "registered."
    )
    return [RecordEvent(claim, NORMAL, "ExternalProvisioning", text)]


def _pending(claim: Obj) -> list[Action]:
    return _phase(claim, PENDING)


def _lost(claim: Obj, reason: str, text: str) -> list[Action]:
    if get_path(claim, "status", "phase") == LOST:
        return []
    return [*_phase(claim, LOST), RecordEvent(claim, WARNING, reason, text)]


def _phase(claim: Obj, phase: str) -> list[Action]:
    if get_path(claim, "status", "phase", default=PENDING) == phase:
        return []
    patch = {"status": {"phase": phase}}
    return [PatchObject(CLAIMS, namespace_of(claim), name_of(claim), patch, subresource="status")]
