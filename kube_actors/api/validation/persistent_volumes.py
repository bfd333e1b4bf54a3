"""PersistentVolumes (ValidatePersistentVolumeSpec)."""

from __future__ import annotations

import posixpath

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation import volume_sources as of
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.claims import VOLUME_MODES, access_modes, positive
from kube_actors.api.validation.internal import spec_difference, volume_source_node
from kube_actors.api.validation.scheduling import node_selector
from kube_actors.api.validation.volumes import Check, sources

_RECLAIM = ("Delete", "Recycle", "Retain")
_SOURCES: dict[str, Check] = {
    "hostPath": of.host_path,
    "gcePersistentDisk": of.gce_disk,
    "awsElasticBlockStore": of.aws_disk,
    "glusterfs": of.gluster_volume,
    "flocker": of.flocker,
    "nfs": of.nfs,
    "rbd": of.rbd,
    "quobyte": of.quobyte,
    "cephfs": of.cephfs,
    "iscsi": of.iscsi,
    "cinder": of.cinder_volume,
    "fc": of.fibre_channel,
    "flexVolume": of.flex,
    "azureFile": of.azure_file_volume,
    "vsphereVolume": of.vsphere,
    "photonPersistentDisk": of.photon,
    "portworxVolume": of.portworx,
    "azureDisk": of.azure_disk,
    "scaleIO": of.scale_io,
    "local": of.local,
    "storageos": of.storage_os_volume,
    "csi": of.csi_volume,
}


def volume(causes: Causes, obj: Obj) -> None:
    """A volume but its metadata (ValidatePersistentVolumeSpec)."""
    spec = obj["spec"]
    if not spec.get("accessModes"):
        causes.required("spec.accessModes")
    access_modes(causes, spec.get("accessModes") or [], "spec")
    capacity = spec.get("capacity")
    if not capacity:
        causes.required("spec.capacity")
    if not capacity or set(capacity) != {"storage"}:
        causes.unsupported("spec.capacity", capacity, ("storage",))
    for name, amount in (capacity or {}).items():
        positive(causes, amount, f"spec.capacity[{name}]")
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy not in _RECLAIM:
        causes.unsupported("spec.persistentVolumeReclaimPolicy", policy, _RECLAIM)
    affinity = spec.get("nodeAffinity")
    if affinity is not None and affinity.get("required") is None:
        causes.required("spec.nodeAffinity.required", "must specify required node constraints")
    elif affinity is not None:
        node_selector(causes, affinity["required"], "spec.nodeAffinity.required")
    sources(causes, spec, "spec", _SOURCES)
    if "iscsi" in spec:
        portal = spec["iscsi"].get("targetPortal", "")
        of.portal_name(causes, spec["iscsi"], obj["metadata"].get("name", ""), "spec.iscsi.targetportal", portal)
    if "local" in spec and "nodeAffinity" not in spec:
        causes.required("spec.nodeAffinity", "Local volume requires node affinity")
    root = "hostPath" in spec and posixpath.normpath(spec["hostPath"].get("path", "")).lstrip("/") == ""
    if root and policy == "Recycle":
        text = "may not be 'recycle' for a hostPath mount of '/'"
        causes.forbidden("spec.persistentVolumeReclaimPolicy", text)
    storage = spec.get("storageClassName")
    if storage:
        causes.each_invalid("spec.storageClassName", storage, names.dns_subdomain(storage))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        causes.unsupported("spec.volumeMode", mode, VOLUME_MODES)
    attributes = spec.get("volumeAttributesClassName")
    if attributes is not None:
        if not attributes:
            causes.required("spec.volumeAttributesClassName", "an empty string is disallowed")
        else:
            causes.each_invalid("spec.volumeAttributesClassName", attributes, names.dns_subdomain(attributes))
        if "csi" not in spec:
            causes.required("spec.csi", "has to be specified when using volumeAttributesClassName")


def volume_update(causes: Causes, new: Obj, old: Obj) -> None:
    """What a volume is made of stays."""
    volume(causes, new)
    spec, before = new["spec"], old["spec"]
    sources_now, sources_before = ({key: one[key] for key in _SOURCES if key in one} for one in (spec, before))
    if sources_now != sources_before:
        text = "spec.persistentvolumesource is immutable after creation"
        node = volume_source_node()
        difference = spec_difference(node, sources_before, sources_now)
        causes.forbidden("spec.persistentvolumesource", f"{text}\n{difference}")
    causes.immutable("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    if "nodeAffinity" in before and spec.get("nodeAffinity") != before["nodeAffinity"]:
        text = "field is immutable, except for updating from beta label to GA"
        causes.invalid("nodeAffinity", spec.get("nodeAffinity"), text)
