"""How storage.k8s.io is printed."""

from __future__ import annotations

from typing import Any

from kube_actors.api import Obj
from kube_actors.api.default_class import is_default
from kube_actors.api.tables.cells import UNSET, name_of, named
from kube_actors.api.tables.engine import AGE, NAME, Column, Printer, age
from kube_actors.api.volumes import DEFAULT_MARKS


def _storage_class(obj: Obj, now: float) -> list[Any]:
    mark = " (default)" if is_default(obj, *DEFAULT_MARKS) else ""
    return [
        name_of(obj) + mark,
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy", "Delete"),
        obj.get("volumeBindingMode", UNSET),
        bool(obj.get("allowVolumeExpansion")),
        age(obj, now),
    ]


def _driver(field: str) -> Any:
    return lambda obj: bool((obj.get("spec") or {}).get(field))


def _attachment(obj: Obj, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    return [
        name_of(obj),
        spec.get("attacher", ""),
        (spec.get("source") or {}).get("persistentVolumeName", ""),
        spec.get("nodeName", ""),
        bool((obj.get("status") or {}).get("attached")),
        age(obj, now),
    ]


def _boolean(name: str) -> Column:
    field = name[0].lower() + name[1:]
    return Column(name, f"=storage.CSIDriverSpec.{field}", "boolean")


PRINTERS = {
    "CSIDriver": named(
        (_boolean("AttachRequired"), _driver("attachRequired")),
        (_boolean("PodInfoOnMount"), _driver("podInfoOnMount")),
        (_boolean("StorageCapacity"), _driver("storageCapacity")),
        (
            Column("TokenRequests", "=storage.CSIDriverSpec.tokenRequests"),
            lambda obj: ",".join(one.get("audience", "") for one in obj["spec"].get("tokenRequests") or ()) or UNSET,
        ),
        (_boolean("RequiresRepublish"), _driver("requiresRepublish")),
        (
            Column("Modes", "=storage.CSIDriverSpec.volumeLifecycleModes"),
            lambda obj: ",".join(obj["spec"].get("volumeLifecycleModes") or ()) or "<none>",
        ),
    ),
    "CSINode": named(
        (
            Column("Drivers", "Drivers indicates the number of CSI drivers registered on the node", "integer"),
            lambda obj: len((obj.get("spec") or {}).get("drivers") or ()),
        ),
    ),
    "StorageClass": Printer(
        (
            NAME,
            Column("Provisioner", "=storage.StorageClass.provisioner"),
            Column("ReclaimPolicy", "=storage.StorageClass.reclaimPolicy"),
            Column("VolumeBindingMode", "=storage.StorageClass.volumeBindingMode"),
            Column("AllowVolumeExpansion", "=storage.StorageClass.allowVolumeExpansion"),
            AGE,
        ),
        _storage_class,
    ),
    "VolumeAttachment": Printer(
        (
            NAME,
            Column("Attacher", "=storage.VolumeAttachmentSpec.attacher", format="name"),
            Column("PV", "=storage.VolumeAttachmentSource.persistentVolumeName"),
            Column("Node", "=storage.VolumeAttachmentSpec.nodeName"),
            Column("Attached", "=storage.VolumeAttachmentStatus.attached", "boolean"),
            AGE,
        ),
        _attachment,
    ),
    "VolumeAttributesClass": named(
        (Column("DriverName", "=storage.VolumeAttributesClass.driverName"), lambda obj: obj.get("driverName", "")),
    ),
}
