"""Volumes of a pod, and the sources that PersistentVolumes share with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.containers import field_ref, resource_field_ref
from kube_actors.api.validation.paths import no_backsteps, unreserved_path

_MODE_TEXT = "must be a number between 0 and 0777 (octal), both inclusive"
_MODE_MAX = 0o777
_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_DOWNWARD_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_ORDER = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi",
    "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc",
    "flexVolume", "configMap", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk",
    "storageos", "projected", "scaleIO", "local", "csi", "ephemeral", "image",
)  # fmt: skip


def volumes(causes: Causes, items: Sequence[Obj], path: str, pod_name: str | None) -> dict[str, Obj]:
    """The volumes without a fault, by name: what mounts may refer to. A template has no `pod_name`."""
    valid: dict[str, Obj] = {}
    made = {f"{pod_name}-{volume.get('name')}" for volume in items if pod_name and "ephemeral" in volume}
    for index, volume in enumerate(items):
        here = f"{path}[{index}]"
        before = len(causes)
        sources(causes, volume, here)
        name = volume.get("name", "")
        if not name:
            causes.required(f"{here}.name")
        else:
            causes.each_invalid(f"{here}.name", name, names.dns_label(name))
        if name and name in valid:
            causes.duplicate(f"{here}.name", name)
        if len(causes) == before:
            valid[name] = volume
        claimed = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claimed in made:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            causes.invalid(f"{here}.persistentVolumeClaim.claimName", claimed, text)
    return valid


def sources(causes: Causes, volume: Obj, path: str) -> None:
    """Exactly one source, with what it needs."""
    given = [kind for kind in _ORDER if kind in volume] if len(volume) != 2 else [k for k in volume if k != "name"]
    if not given:
        causes.required(path, "must specify a volume type")
        return
    for place, kind in enumerate(given):
        if place:
            causes.forbidden(f"{path}.{kind}", "may not specify more than 1 volume type")
            continue
        check = _CHECKS.get(kind)
        if check is not None:
            check(causes, volume[kind], f"{path}.{kind}")


def _mode(causes: Causes, source: Obj, field: str, path: str) -> None:
    mode = source.get(field)
    if mode is not None and not 0 <= mode <= _MODE_MAX:
        causes.invalid(f"{path}.{field}", mode, _MODE_TEXT)


def _items(causes: Causes, source: Obj, path: str) -> None:
    for index, item in enumerate(source.get("items") or ()):
        here = f"{path}.items[{index}]"
        if not item.get("key"):
            causes.required(f"{here}.key")
        if not item.get("path"):
            causes.required(f"{here}.path")
        else:
            unreserved_path(causes, f"{here}.path", item["path"])
        _mode(causes, item, "mode", here)


def _secret(causes: Causes, source: Obj, path: str) -> None:
    if not source.get("secretName"):
        causes.required(f"{path}.secretName")
    _mode(causes, source, "defaultMode", path)
    _items(causes, source, path)


def _config_map(causes: Causes, source: Obj, path: str) -> None:
    if not source.get("name"):
        causes.required(f"{path}.name")
    _mode(causes, source, "defaultMode", path)
    _items(causes, source, path)


def _empty_dir(causes: Causes, source: Obj, path: str) -> None:
    if str(source.get("sizeLimit", "")).startswith("-"):
        causes.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def host_path(causes: Causes, source: Obj, path: str) -> None:
    """A path on the host."""
    if not source.get("path"):
        causes.required(f"{path}.path")
        return
    no_backsteps(causes, f"{path}.path", source["path"])
    if source.get("type", "") not in _HOST_PATH_TYPES:
        causes.unsupported(f"{path}.type", source["type"], _HOST_PATH_TYPES)


def _nfs(causes: Causes, source: Obj, path: str) -> None:
    if not source.get("server"):
        causes.required(f"{path}.server")
    if not source.get("path"):
        causes.required(f"{path}.path")
    elif not source["path"].startswith("/"):
        causes.invalid(f"{path}.path", source["path"], "must be an absolute path")


def _iscsi(causes: Causes, source: Obj, path: str) -> None:
    if not source.get("targetPortal"):
        causes.required(f"{path}.targetPortal")
    iqn = source.get("iqn", "")
    if not iqn:
        causes.required(f"{path}.iqn")
    elif not iqn.startswith(("iqn", "eui", "naa")):
        causes.invalid(f"{path}.iqn", iqn, "must be valid format starting with iqn, eui, or naa")
    if not 0 <= source.get("lun", 0) <= 255:
        causes.invalid(f"{path}.lun", source["lun"], "must be between 0 and 255, inclusive")


def _claim(causes: Causes, source: Obj, path: str) -> None:
    if not source.get("claimName"):
        causes.required(f"{path}.claimName")


def _rbd(causes: Causes, source: Obj, path: str) -> None:
    for field in ("monitors", "image"):
        if not source.get(field):
            causes.required(f"{path}.{field}")


def _csi(causes: Causes, source: Obj, path: str) -> None:
    if not source.get("driver"):
        causes.required(f"{path}.driver")
    reference = source.get("nodePublishSecretRef")
    if reference is not None and not reference.get("name"):
        causes.required(f"{path}.nodePublishSecretRef.name")


def _downward_items(causes: Causes, source: Obj, path: str) -> None:
    for item in source.get("items") or ():
        if not item.get("path"):
            causes.required(f"{path}.path")
        else:
            unreserved_path(causes, f"{path}.path", item["path"])
        if "fieldRef" in item:
            field_ref(causes, item["fieldRef"], _DOWNWARD_FIELDS, f"{path}.fieldRef")
            if "resourceFieldRef" in item:
                text = "fieldRef and resourceFieldRef can not be specified simultaneously"
                causes.invalid(path, "resource", text)
        elif "resourceFieldRef" in item:
            resource_field_ref(causes, item["resourceFieldRef"], f"{path}.resourceFieldRef", in_volume=True)
        else:
            causes.required(path, "one of fieldRef and resourceFieldRef is required")
        _mode(causes, item, "mode", path)


def _downward_api(causes: Causes, source: Obj, path: str) -> None:
    _mode(causes, source, "defaultMode", path)
    _downward_items(causes, source, path)


_TOKEN_MIN, _TOKEN_MAX = 600, 1 << 32


def _projected(causes: Causes, source: Obj, path: str) -> None:
    _mode(causes, source, "defaultMode", path)
    taken: set[str] = set()
    for index, projection in enumerate(source.get("sources") or ()):
        here = f"{path}.sources[{index}]"
        for place, kind in enumerate(projection):
            if place:
                causes.forbidden(f"{here}.{kind}", "may not specify more than 1 volume type")
                continue
            _projection(causes, kind, projection[kind], here, path, taken)


def _projection(causes: Causes, kind: str, source: Obj, here: str, path: str, taken: set[str]) -> None:
    where = f"{here}.{kind}"
    if kind in ("secret", "configMap"):
        if not source.get("name"):
            causes.required(f"{where}.name")
        _items(causes, source, where)
        for item in source.get("items") or ():
            _conflict(causes, path, item.get("path", ""), source.get("name", ""), taken)
    elif kind == "downwardAPI":
        _downward_items(causes, source, where)
        for item in source.get("items") or ():
            _conflict(causes, path, item.get("path", ""), item.get("path", ""), taken)
    elif kind == "serviceAccountToken":
        seconds = source.get("expirationSeconds", _TOKEN_MIN)
        if seconds < _TOKEN_MIN:
            text = "may not specify a duration less than 10 minutes"
            causes.invalid(f"{where}.expirationSeconds", seconds, text)
        if seconds > _TOKEN_MAX:
            text = "may not specify a duration larger than 2^32 seconds"
            causes.invalid(f"{where}.expirationSeconds", seconds, text)
        if not source.get("path"):
            causes.required(f"{path}.path")
        else:
            unreserved_path(causes, f"{path}.path", source["path"])
            _conflict(causes, path, source["path"], source["path"], taken)


def _conflict(causes: Causes, field: str, path: str, shown: str, taken: set[str]) -> None:
    if path and path in taken:
        causes.invalid(field, shown, "conflicting duplicate paths")
    taken.add(path)


def _ephemeral(causes: Causes, source: Obj, path: str) -> None:
    if not source.get("volumeClaimTemplate"):
        causes.required(f"{path}.volumeClaimTemplate")


_CHECKS: dict[str, Callable[[Causes, Obj, str], None]] = {
    "configMap": _config_map,
    "csi": _csi,
    "downwardAPI": _downward_api,
    "emptyDir": _empty_dir,
    "ephemeral": _ephemeral,
    "hostPath": host_path,
    "iscsi": _iscsi,
    "nfs": _nfs,
    "persistentVolumeClaim": _claim,
    "projected": _projected,
    "rbd": _rbd,
    "secret": _secret,
}
