"""How PersistentVolumes and their claims are printed."""

from __future__ import annotations

from typing import Any

from kube_actors.api import Obj
from kube_actors.api.tables.cells import UNSET, name_of, wide
from kube_actors.api.tables.engine import AGE, NAME, Column, Printer, age

_SHORT_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_LEGACY_CLASS = "volume.beta.kubernetes.io/storage-class"


def _modes(modes: list[str] | None) -> str:
    given = set(modes or ())
    return ",".join(short for mode, short in _SHORT_MODES.items() if mode in given)


def _phase(obj: Obj) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str((obj.get("status") or {}).get("phase", ""))


def _class(obj: Obj) -> str:
    legacy = (obj["metadata"].get("annotations") or {}).get(_LEGACY_CLASS)
    return str(legacy or (obj.get("spec") or {}).get("storageClassName") or "")


def _claim(obj: Obj, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    volume = spec.get("volumeName", "")
    capacity = (status.get("capacity") or {}).get("storage", "0") if volume else ""
    return [
        name_of(obj),
        _phase(obj),
        volume,
        capacity,
        _modes(status.get("accessModes")) if volume else "",
        _class(obj),
        spec.get("volumeAttributesClassName") or UNSET,
        age(obj, now),
        spec.get("volumeMode", UNSET),
    ]


CLAIM = Printer(
    (
        NAME,
        Column("Status", "=core.PersistentVolumeClaimStatus.phase"),
        Column("Volume", "=core.PersistentVolumeClaimSpec.volumeName"),
        Column("Capacity", "=core.PersistentVolumeClaimStatus.capacity"),
        Column("Access Modes", "=core.PersistentVolumeClaimStatus.accessModes"),
        Column("StorageClass", "StorageClass of the pvc"),
        Column("VolumeAttributesClass", "VolumeAttributesClass of the pvc"),
        AGE,
        wide("VolumeMode", "=core.PersistentVolumeClaimSpec.volumeMode"),
    ),
    _claim,
)


def _volume(obj: Obj, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    claim = spec.get("claimRef")
    return [
        name_of(obj),
        (spec.get("capacity") or {}).get("storage", "0"),
        _modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        _phase(obj),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        _class(obj),
        spec.get("volumeAttributesClassName") or UNSET,
        status.get("reason", ""),
        age(obj, now),
        spec.get("volumeMode", UNSET),
    ]


VOLUME = Printer(
    (
        NAME,
        Column("Capacity", "=core.PersistentVolumeSpec.capacity"),
        Column("Access Modes", "=core.PersistentVolumeSpec.accessModes"),
        Column("Reclaim Policy", "=core.PersistentVolumeSpec.persistentVolumeReclaimPolicy"),
        Column("Status", "=core.PersistentVolumeStatus.phase"),
        Column("Claim", "=core.PersistentVolumeSpec.claimRef"),
        Column("StorageClass", "StorageClass of the pv"),
        Column("VolumeAttributesClass", "VolumeAttributesClass of the pv"),
        Column("Reason", "=core.PersistentVolumeStatus.reason"),
        AGE,
        wide("VolumeMode", "=core.PersistentVolumeSpec.volumeMode"),
    ),
    _volume,
)
