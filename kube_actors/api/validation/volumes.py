"""Volumes of a pod, and which sources a volume may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation import volume_sources as of
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.claims import claim_spec
from kube_actors.api.validation.metadata import check_annotations, labels
from kube_actors.api.validation.projections import config_map, downward_api, projected, secret

Check = Callable[[Causes, Obj, str], None]
_MORE = "may not specify more than 1 volume type"
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
# How refusals call a source, where it is not by its own name.
_SHOWN = {"gcePersistentDisk": "persistentDisk"}
_SECOND = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}


def volumes(causes: Causes, items: Sequence[Obj], path: str, pod_name: str | None) -> dict[str, Obj]:
    """The volumes without a fault, by name: what mounts may refer to. A template has no `pod_name`."""
    valid: dict[str, Obj] = {}
    made = {f"{pod_name}-{volume.get('name')}" for volume in items if pod_name and "ephemeral" in volume}
    for index, volume in enumerate(items):
        here = f"{path}[{index}]"
        before = len(causes)
        sources(causes, volume, here, POD_SOURCES)
        name = volume.get("name", "")
        _by_name(causes, volume, name, here, pod_name)
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


def sources(causes: Causes, holder: Obj, path: str, known: Mapping[str, Check]) -> None:
    """Exactly one source, with what it needs. `known`: in the order in which Kubernetes looks for them."""
    given = [kind for kind in known if kind in holder]
    if not given:
        causes.required(path, "must specify a volume type")
        return
    for kind in given[:1]:
        known[kind](causes, holder[kind], f"{path}.{_SHOWN.get(kind, kind)}")
    for kind in given[1:]:
        causes.forbidden(f"{path}.{_SECOND.get(kind, kind)}", _MORE)


def _by_name(causes: Causes, volume: Obj, name: str, path: str, pod_name: str | None) -> None:
    """What depends on the names of the volume and of its pod."""
    if "iscsi" in volume:
        of.portal_name(causes, volume["iscsi"], name, f"{path}.name", name)
    if "ephemeral" in volume and pod_name and name:
        claim = f"{pod_name}-{name}"
        for fault in names.dns_subdomain(claim):
            causes.invalid(f"{path}.name", name, f'PVC name "{claim}": {fault}')
    if "image" in volume and pod_name is not None:
        of.needs(causes, volume["image"], f"{path}.image", "reference")


def _empty_dir(causes: Causes, source: Obj, path: str) -> None:
    if str(source.get("sizeLimit", "")).startswith("-"):
        causes.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _claim(causes: Causes, source: Obj, path: str) -> None:
    of.needs(causes, source, path, "claimName")


def _ephemeral(causes: Causes, source: Obj, path: str) -> None:
    template, where = source.get("volumeClaimTemplate"), f"{path}.volumeClaimTemplate"
    if template is None:
        causes.required(where)
        return
    metadata = template.get("metadata") or {}
    check_annotations(causes, metadata.get("annotations") or {}, f"{where}.metadata.annotations")
    labels(causes, metadata.get("labels") or {}, f"{where}.metadata.labels")
    for field in sorted(set(metadata) - {"annotations", "labels"}):
        if metadata[field]:
            causes.forbidden(f"{where}.metadata.{field}", "cannot be set")
    claim_spec(causes, template.get("spec") or {}, f"{where}.spec")


def _image(causes: Causes, source: Obj, path: str) -> None:
    causes.one_of(f"{path}.pullPolicy", source.get("pullPolicy"), _PULL_POLICIES)


POD_SOURCES: dict[str, Check] = {
    "emptyDir": _empty_dir,
    "hostPath": of.host_path,
    "gitRepo": of.git_repository,
    "gcePersistentDisk": of.gce_disk,
    "awsElasticBlockStore": of.aws_disk,
    "secret": secret,
    "nfs": of.nfs,
    "iscsi": of.iscsi,
    "glusterfs": of.gluster,
    "flocker": of.flocker,
    "persistentVolumeClaim": _claim,
    "rbd": of.rbd,
    "cinder": of.cinder,
    "cephfs": of.cephfs,
    "quobyte": of.quobyte,
    "downwardAPI": downward_api,
    "fc": of.fibre_channel,
    "flexVolume": of.flex,
    "configMap": config_map,
    "azureFile": of.azure_file,
    "vsphereVolume": of.vsphere,
    "photonPersistentDisk": of.photon,
    "portworxVolume": of.portworx,
    "azureDisk": of.azure_disk,
    "storageos": of.storage_os,
    "projected": projected,
    "scaleIO": of.scale_io,
    "csi": of.csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
