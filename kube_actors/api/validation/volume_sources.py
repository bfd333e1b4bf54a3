"""What a volume is made of: the sources that pods and PersistentVolumes have in common, and those of the latter."""

from __future__ import annotations

import re

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.paths import descending_path, no_backsteps
from kube_actors.api.validation.storage import driver_name

_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([a-zA-Z0-9\-.]+)(:[^,;*&$|\s]+)$"),
    "eui": re.compile(r"^eui.[a-zA-Z0-9]{16}$"),
    "naa": re.compile(r"^naa.[a-zA-Z0-9]{32}$"),
}
_PORTAL_MAX = 64
_PORTAL_TEXT = (
    f"Total length of <volume name>:<iscsi.targetPortal> must be under {_PORTAL_MAX} characters if "
    "iscsi.initiatorName is specified."
)
_HOST_PORTS = "must be a host:port pair or multiple pairs separated by commas"
_TENANT_MAX = 64
_RESERVED = (".kubernetes.io", ".k8s.io")
_CACHING, _DISK_KINDS = ("None", "ReadOnly", "ReadWrite"), ("Dedicated", "Managed", "Shared")
_MANAGED_URI = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB_URI = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


def needs(causes: Causes, source: Obj, path: str, *fields: str) -> None:
    """Fields that may not be empty."""
    for field in fields:
        if not source.get(field):
            causes.required(f"{path}.{field}")


def _partition(causes: Causes, source: Obj, path: str) -> None:
    if not 0 <= source.get("partition", 0) <= 255:
        causes.invalid(f"{path}.partition", source["partition"], "must be between 1 and 255, inclusive")


def gce_disk(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "pdName")
    _partition(causes, source, path)


def aws_disk(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "volumeID")
    _partition(causes, source, path)


def host_path(causes: Causes, source: Obj, path: str) -> None:
    if not source.get("path"):
        causes.required(f"{path}.path")
        return
    no_backsteps(causes, f"{path}.path", source["path"])
    if source.get("type", "") not in _HOST_PATH_TYPES:
        causes.unsupported(f"{path}.type", source["type"], _HOST_PATH_TYPES)


def git_repository(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "repository")
    descending_path(causes, f"{path}.directory", source.get("directory", ""))


def nfs(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "server", "path")
    if not source.get("path", "").startswith("/"):
        causes.invalid(f"{path}.path", source.get("path", ""), "must be an absolute path")


def iscsi(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "targetPortal")
    _initiator(causes, source.get("iqn", ""), f"{path}.iqn", required=True)
    if not 0 <= source.get("lun", 0) <= 255:
        causes.invalid(f"{path}.lun", source["lun"], "must be between 0 and 255, inclusive")
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and "secretRef" not in source:
        causes.required(f"{path}.secretRef")
    if source.get("initiatorName") is not None:
        _initiator(causes, source["initiatorName"], f"{path}.initiatorname", required=False)


def _initiator(causes: Causes, name: str, path: str, *, required: bool) -> None:
    kind = name[:3]
    if required and not name:
        causes.required(path)
    elif kind not in _INITIATORS:
        causes.invalid(path, name, "must be valid format starting with iqn, eui, or naa")
    elif not _INITIATORS[kind].search(name):
        causes.invalid(path, name, "must be valid format")


def portal_name(causes: Causes, source: Obj, name: str, path: str, shown: str) -> None:
    """An initiator gets a name of its own, made of the volume's and the portal's."""
    portal = source.get("targetPortal", "")
    if source.get("initiatorName") is not None and len(f"{name}:{portal}") > _PORTAL_MAX:
        causes.invalid(path, shown, _PORTAL_TEXT)


def gluster(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "endpoints", "path")


def gluster_volume(causes: Causes, source: Obj, path: str) -> None:
    gluster(causes, source, path)
    namespace = source.get("endpointsNamespace")
    if namespace == "":
        text = "if the endpointnamespace is set, it must be a valid namespace name"
        causes.invalid(f"{path}.endpointsNamespace", namespace, text)
    elif namespace is not None:
        causes.each_invalid(f"{path}.endpointsNamespace", namespace, names.dns_label(namespace))


def flocker(causes: Causes, source: Obj, path: str) -> None:
    name, uid = source.get("datasetName", ""), source.get("datasetUUID", "")
    if not name and not uid:
        causes.required(path, "one of datasetName and datasetUUID is required")
    if name and uid:
        causes.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in name:
        causes.invalid(f"{path}.datasetName", name, "must not contain '/'")


def rbd(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "monitors", "image")


def _secret(causes: Causes, source: Obj, path: str, *fields: str) -> None:
    if source.get("secretRef") is not None:
        needs(causes, source["secretRef"], f"{path}.secretRef", *fields)


def cinder(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "volumeID")
    _secret(causes, source, path, "name")


def cinder_volume(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "volumeID")
    _secret(causes, source, path, "name", "namespace")


def cephfs(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "monitors")


def quobyte(causes: Causes, source: Obj, path: str) -> None:
    registry = source.get("registry", "")
    if not registry:
        causes.required(f"{path}.registry", _HOST_PORTS)
    elif len(source.get("tenant", "")) > _TENANT_MAX:
        causes.required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in registry.split(","):
            if pair.count(":") != 1:
                causes.invalid(f"{path}.registry", registry, _HOST_PORTS)
    needs(causes, source, path, "volume")


def fibre_channel(causes: Causes, source: Obj, path: str) -> None:
    targets, wide, lun = source.get("targetWWNs"), source.get("wwids"), source.get("lun")
    if not targets and not wide:
        causes.required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if targets and wide:
        text = "targetWWNs and wwids can not be specified simultaneously"
        causes.invalid(f"{path}.targetWWNs", targets, text)
    if targets and lun is None:
        causes.required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif targets and lun is not None and not 0 <= lun <= 255:
        causes.invalid(f"{path}.lun", lun, "must be between 0 and 255, inclusive")


def flex(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "driver")
    for key in source.get("options") or ():
        if f".{key.partition('/')[0].lower()}".endswith(_RESERVED):
            causes.invalid(f"{path}.options[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved")


def azure_file(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "secretName", "shareName")


def azure_file_volume(causes: Causes, source: Obj, path: str) -> None:
    azure_file(causes, source, path)
    if source.get("secretNamespace") == "":
        causes.required(f"{path}.secretNamespace")


def azure_disk(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "diskName", "diskURI")
    caching, kind, uri = source.get("cachingMode"), source.get("kind"), source.get("diskURI", "")
    if caching is not None and caching not in _CACHING:
        causes.unsupported(f"{path}.cachingMode", caching, _CACHING)
    if kind is not None and kind not in _DISK_KINDS:
        causes.unsupported(f"{path}.kind", kind, _DISK_KINDS)
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        causes.unsupported(f"{path}.diskURI", uri, (_MANAGED_URI,))
    if kind not in (None, "Managed") and not uri.startswith("https://"):
        causes.unsupported(f"{path}.diskURI", uri, (_BLOB_URI,))


def vsphere(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "volumePath")


def photon(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "pdID")


def portworx(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "volumeID")


def scale_io(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "gateway", "system", "volumeName")


def local(causes: Causes, source: Obj, path: str) -> None:
    if not source.get("path"):
        causes.required(f"{path}.path")
    else:
        no_backsteps(causes, f"{path}.path", source["path"])


def storage_os(causes: Causes, source: Obj, path: str) -> None:
    _storage_os(causes, source, path)
    _secret(causes, source, path, "name")


def storage_os_volume(causes: Causes, source: Obj, path: str) -> None:
    _storage_os(causes, source, path)
    _secret(causes, source, path, "name", "namespace")


def _storage_os(causes: Causes, source: Obj, path: str) -> None:
    needs(causes, source, path, "volumeName")
    for field in ("volumeName", "volumeNamespace"):
        if source.get(field):
            causes.each_invalid(f"{path}.{field}", source[field], names.dns_label(source[field]))


def csi(causes: Causes, source: Obj, path: str) -> None:
    driver_name(causes, source.get("driver", ""), f"{path}.driver")
    reference = source.get("nodePublishSecretRef")
    if reference is None:
        return
    name = reference.get("name", "")
    if not name:
        causes.required(f"{path}.nodePublishSecretRef.name")
    else:
        causes.each_invalid(f"{path}.name", name, names.dns_subdomain(name))


def csi_volume(causes: Causes, source: Obj, path: str) -> None:
    driver_name(causes, source.get("driver", ""), f"{path}.driver")
    needs(causes, source, path, "volumeHandle")
    for purpose in ("controllerPublish", "controllerExpand", "nodePublish", "nodeExpand"):
        reference = source.get(f"{purpose}SecretRef")
        if reference is not None:
            _secret_reference(causes, reference, f"{path}.{purpose}SecretRef")


def _secret_reference(causes: Causes, reference: Obj, path: str) -> None:
    for field, check in (("name", names.dns_subdomain), ("namespace", names.dns_label)):
        value = reference.get(field, "")
        if not value:
            causes.required(f"{path}.{field}")
        else:
            causes.each_invalid(f"{path}.{field}", value, check(value))
