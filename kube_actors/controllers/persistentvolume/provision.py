"""Volumes made on demand by the two provisioners of this cluster. Pure.

    kube-actors.io/local-path   a folder on the node of the first consumer; the volume stays with that node
    kube-actors.io/shared       a folder that every node sees under the same path, such as an NFS mount

Parameters of the class: `path`, the folder in which each volume gets one of its own. The size is a label, not a
limit: a folder has no quota.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, get_path, key_of, labels_of, name_of, uid_of
from kube_actors.api.volumes import (
    CLAIMS,
    DATA_FINALIZER,
    FILESYSTEM,
    LOCAL_PATH,
    PROVISIONED_BY,
    SELECTED_NODE,
    SHARED,
    VOLUMES,
    class_of,
    requested,
)
from kube_actors.controllers.actions import NORMAL, WARNING, Action, CreateObject, PatchObject, RecordEvent
from kube_actors.controllers.persistentvolume.binding import bound_reference

HOSTNAME = "kubernetes.io/hostname"
ONE_NODE = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})
ANY = ONE_NODE | {"ReadOnlyMany", "ReadWriteMany"}


@dataclass(frozen=True, slots=True)
class Provisioner:
    """`root`: where volumes lie by default. `keeps_files`: whether there are real files to remove in the end."""

    name: str
    root: str
    access_modes: frozenset[str]
    on_one_node: bool
    keeps_files: bool = True


def provisioners(local_root: str, shared_root: str, *, keeps_files: bool) -> dict[str, Provisioner]:
    """The provisioners of a cluster, by name; one without a folder is left out."""
    both = (
        Provisioner(LOCAL_PATH, local_root, ONE_NODE, True, keeps_files),
        Provisioner(SHARED, shared_root, ANY, False, keeps_files),
    )
    return {each.name: each for each in both if each.root}


def plan_provision(
    claim: Obj, storage_class: Obj, provisioner: Provisioner, node: Callable[[str], Obj | None]
) -> list[Action]:
    """Create the claim's volume, already set aside for it; or say why that is impossible."""
    node_name = annotations_of(claim).get(SELECTED_NODE, "")
    where = node(node_name) if node_name else None
    if node_name and where is None:
        # The node is gone before the volume was made: the scheduler chooses again.
        patch = {"metadata": {"annotations": {SELECTED_NODE: None}}}
        return [PatchObject(CLAIMS, claim["metadata"]["namespace"], name_of(claim), patch)]
    problem = _problem(claim, storage_class, provisioner, where)
    if problem:
        text = f'failed to provision volume with StorageClass "{class_of(claim)}": {problem}'
        return [RecordEvent(claim, WARNING, "ProvisioningFailed", text, provisioner.name)]
    volume = _volume(claim, storage_class, provisioner, where)
    begun = f'External provisioner is provisioning volume for claim "{key_of(claim)}"'
    done = f"Successfully provisioned volume {name_of(volume)}"
    return [
        RecordEvent(claim, NORMAL, "Provisioning", begun, provisioner.name),
        CreateObject(VOLUMES, volume),
        RecordEvent(claim, NORMAL, "ProvisioningSucceeded", done, provisioner.name),
    ]


def _problem(claim: Obj, storage_class: Obj, provisioner: Provisioner, node: Obj | None) -> str:
    spec = claim["spec"]
    unknown = sorted(set(storage_class.get("parameters") or {}) - {"path"})
    if unknown:
        return f"unknown parameter {unknown[0]}"
    if not _root(storage_class, provisioner).startswith("/"):
        return "parameter path must be an absolute path"
    if spec.get("selector") is not None:
        return "claim.Spec.Selector is not supported"
    if (spec.get("volumeMode") or FILESYSTEM) != FILESYSTEM:
        return "only volumes of the mode Filesystem can be made"
    unsupported = sorted(set(spec.get("accessModes") or ()) - provisioner.access_modes)
    if unsupported:
        return f"access mode {unsupported[0]} is not supported by {provisioner.name}"
    if provisioner.on_one_node and node is None:
        return "no node was selected; the class must have volumeBindingMode WaitForFirstConsumer"
    return ""


def _root(storage_class: Obj, provisioner: Provisioner) -> str:
    return str(get_path(storage_class, "parameters", "path", default=provisioner.root))


def _volume(claim: Obj, storage_class: Obj, provisioner: Provisioner, node: Obj | None) -> Obj:
    name = f"pvc-{uid_of(claim)}"
    spec: Obj = {
        "capacity": {"storage": requested(claim)},
        "accessModes": list(claim["spec"].get("accessModes") or ()),
        "claimRef": bound_reference(claim),
        "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
        "storageClassName": class_of(claim),
        "volumeMode": FILESYSTEM,
        "hostPath": {"path": f"{_root(storage_class, provisioner)}/{name}", "type": "DirectoryOrCreate"},
    }
    if storage_class.get("mountOptions"):
        spec["mountOptions"] = storage_class["mountOptions"]
    if provisioner.on_one_node and node is not None:
        host = labels_of(node).get(HOSTNAME, name_of(node))
        expression = {"key": HOSTNAME, "operator": "In", "values": [host]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    metadata: Obj = {"name": name, "annotations": {PROVISIONED_BY: provisioner.name}}
    if provisioner.keeps_files:
        metadata["finalizers"] = [DATA_FINALIZER]
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}
