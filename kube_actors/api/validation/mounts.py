"""How a container uses its pod's volumes: as folders and as devices."""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.paths import descending_path

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")

Volumes = dict[str, Obj]


def volume_mounts(causes: Causes, container: Obj, devices: Iterable[Obj], volumes: Volumes, path: str) -> None:
    """Where volumes appear in a container: each path once, each of a volume that there is."""
    seen: set[str] = set()
    device_names = {device.get("name") for device in devices}
    device_paths = {device.get("devicePath") for device in devices}
    for index, mount in enumerate(container["volumeMounts"]):
        name, where = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            causes.required(f"{path}[{index}].name")
        if name not in volumes:
            causes.not_found(f"{path}[{index}].name", name)
        if not where:
            causes.required(f"{path}[{index}].mountPath")
        if where in seen:
            causes.invalid(f"{path}[{index}].mountPath", where, "must be unique")
        seen.add(where)
        if name in device_names:
            causes.invalid(f"{path}[{index}].name", name, "must not already exist in volumeDevices")
        if where in device_paths:
            causes.invalid(f"{path}[{index}].mountPath", where, "must not already exist as a path in volumeDevices")
        if mount.get("subPath"):
            descending_path(causes, f"{path}.subPath", mount["subPath"])
        if mount.get("subPathExpr"):
            if mount.get("subPath"):
                text = "subPathExpr and subPath are mutually exclusive"
                causes.invalid(f"{path}[{index}].subPathExpr", mount["subPathExpr"], text)
            descending_path(causes, f"{path}.subPathExpr", mount["subPathExpr"])
        if "mountPropagation" in mount:
            _propagation(causes, mount["mountPropagation"], container, f"{path}.mountPropagation")
        if "recursiveReadOnly" in mount:
            _recursive(causes, mount, f"{path}.recursiveReadOnly")


def _propagation(causes: Causes, value: str, container: Obj, path: str) -> None:
    if value not in _PROPAGATIONS:
        causes.unsupported(path, value, _PROPAGATIONS)
    elif value == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        causes.forbidden(path, "Bidirectional mount propagation is available only to privileged containers")


def _recursive(causes: Causes, mount: Obj, path: str) -> None:
    value = mount["recursiveReadOnly"]
    if value not in ("Disabled", "Enabled", "IfPossible"):
        causes.unsupported(path, value, ("Disabled", "Enabled", "IfPossible"))
    elif value != "Disabled":
        if not mount.get("readOnly"):
            causes.forbidden(path, "may only be specified when readOnly is true")
        if mount.get("mountPropagation") not in (None, "None"):
            causes.forbidden(path, "may only be specified when mountPropagation is None or not specified")


def volume_devices(causes: Causes, container: Obj, devices: Iterable[Obj], volumes: Volumes, path: str) -> None:
    """Volumes that a container gets as they are, as block devices."""
    mounted = {mount.get("name") for mount in container.get("volumeMounts") or ()}
    mount_paths = {mount.get("mountPath") for mount in container.get("volumeMounts") or ()}
    seen_names: set[str] = set()
    seen_paths: set[str] = set()
    for index, device in enumerate(devices):
        name, where = device.get("name", ""), device.get("devicePath", "")
        here = f"{path}[{index}]"
        if not name:
            causes.required(f"{here}.name")
        elif name in seen_names:
            causes.invalid(f"{here}.name", name, "must be unique")
        if name in volumes:
            if not any(source in volumes[name] for source in ("persistentVolumeClaim", "ephemeral")):
                text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
                causes.invalid(f"{here}.name", name, text)
        elif name:
            causes.not_found(f"{here}.name", name)
        if not where:
            causes.required(f"{here}.devicePath")
        elif where in seen_paths:
            causes.invalid(f"{here}.devicePath", where, "must be unique")
        elif ".." in where.split("/"):
            causes.invalid(f"{here}.devicePath", where, "can not contain backsteps ('..')")
        else:
            seen_paths.add(where)
        if name and name in mounted:
            causes.invalid(f"{here}.name", name, "must not already exist in volumeMounts")
        if where in mount_paths and name not in mounted:
            causes.invalid(f"{here}.devicePath", where, "must not already exist as a path in volumeMounts")
        seen_names.add(name)
