"""Which PersistentVolume is good for which claim: the rules that the binder and the scheduler share. Pure.

Source: the Kubernetes concept "Persistent Volumes", and the behaviour of kube-controller-manager's binder.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj, node_affinity, quantity
from kube_actors.api.meta import annotations_of, get_path, is_deleting, labels_of, name_of, namespace_of, uid_of
from kube_actors.api.resources import builtin
from kube_actors.api.selectors import LabelSelector

CLAIMS = builtin("v1", "persistentvolumeclaims")
VOLUMES = builtin("v1", "persistentvolumes")
STORAGE_CLASSES = builtin("storage.k8s.io/v1", "storageclasses")

# Of a claim: both sides of its binding are written.
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
# Of either side: the binder chose the other, so it may also undo the choice.
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
# Of a claim: where its first consumer is to run; the scheduler writes it.
SELECTED_NODE = "volume.kubernetes.io/selected-node"
# The provisioner of a class by hand: its volumes are made by whoever administers them.
NO_PROVISIONER = "kubernetes.io/no-provisioner"
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
# Of a class: it is that of claims that name none.
DEFAULT_MARKS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")

# The provisioners of this cluster.
LOCAL_PATH = "kube-actors.io/local-path"
SHARED = "kube-actors.io/shared"
# Held by a volume of theirs until a node has removed its files.
DATA_FINALIZER = "kube-actors.io/volume-data"

BOUND, AVAILABLE, RELEASED, FAILED, PENDING, LOST = "Bound", "Available", "Released", "Failed", "Pending", "Lost"
FILESYSTEM, BLOCK = "Filesystem", "Block"
ONE_POD = "ReadWriteOncePod"


def class_of(obj: Obj) -> str:
    """The storage class that a claim or a volume names; empty for none."""
    annotated = annotations_of(obj).get(CLASS_ANNOTATION)
    return str(annotated if annotated is not None else obj["spec"].get("storageClassName") or "")


def names_a_class(claim: Obj) -> bool:
    """Whether the claim says which class it wants, or by an empty name that it wants none."""
    return claim["spec"].get("storageClassName") is not None or CLASS_ANNOTATION in annotations_of(claim)


def claim_names(pod: Obj) -> list[str]:
    """The claims of a pod's volumes, those of its ephemeral volumes among them."""
    return [name for volume in pod["spec"].get("volumes") or () if (name := claim_name(pod, volume))]


def claim_name(pod: Obj, volume: Obj) -> str:
    """The claim behind one volume of a pod; empty for a volume of another kind."""
    if volume.get("persistentVolumeClaim") is not None:
        return str(volume["persistentVolumeClaim"]["claimName"])
    if volume.get("ephemeral") is not None:
        return f"{name_of(pod)}-{volume['name']}"
    return ""


def is_made_for(claim: Obj, pod: Obj) -> bool:
    """Whether the claim is of an ephemeral volume of that pod, not one of its name by somebody else."""
    return any(
        owner.get("controller") and owner.get("uid") == uid_of(pod)
        for owner in claim["metadata"].get("ownerReferences") or ()
    )


def mode_of(obj: Obj) -> str:
    """The volumeMode of a claim or a volume."""
    return str(obj["spec"].get("volumeMode") or FILESYSTEM)


def requested(claim: Obj) -> str:
    return str(get_path(claim, "spec", "resources", "requests", "storage", default="0"))


def capacity(volume: Obj) -> str:
    return str(get_path(volume, "spec", "capacity", "storage", default="0"))


def waits_for_consumer(storage_class: Obj | None) -> bool:
    """Whether claims of the class get their volume only once a pod that uses them is scheduled."""
    return storage_class is not None and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"


def is_delayed(claim: Obj, storage_class: Obj | None) -> bool:
    """Whether the claim waits for its first consumer to be scheduled."""
    return waits_for_consumer(storage_class) and not annotations_of(claim).get(SELECTED_NODE)


def claim_reference(claim: Obj) -> Obj:
    """spec.claimRef of a volume that is that claim's."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": namespace_of(claim),
        "name": name_of(claim),
        "uid": uid_of(claim),
    }


def is_bound_to(volume: Obj, claim: Obj) -> bool:
    """Whether the volume is that claim's, or set aside for a claim of its name."""
    reference = volume["spec"].get("claimRef")
    return (
        reference is not None
        and reference.get("name") == name_of(claim)
        and reference.get("namespace") == namespace_of(claim)
        and reference.get("uid") in (None, "", uid_of(claim))
    )


def is_fully_bound(claim: Obj) -> bool:
    return bool(claim["spec"].get("volumeName")) and BIND_COMPLETED in annotations_of(claim)


def reaches(volume: Obj, node: Obj) -> bool:
    """Whether the volume can be used on that node (spec.nodeAffinity)."""
    required = get_path(volume, "spec", "nodeAffinity", "required")
    return required is None or node_affinity.selects(required, node)


def mismatch(volume: Obj, claim: Obj) -> str:
    """Why the volume cannot serve the claim, in Kubernetes' words; empty if it can."""
    if quantity.compare(capacity(volume), requested(claim)) < 0:
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if _attributes_class(volume) != _attributes_class(claim):
        return "volumeAttributesClassName does not match"
    if mode_of(volume) != mode_of(claim):
        return "incompatible volumeMode"
    if not set(claim["spec"].get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ()):
        return "incompatible accessMode"
    return ""


def find_match(claim: Obj, volumes: Iterable[Obj], *, node: Obj | None = None, delayed: bool = False) -> Obj | None:
    """The volume for an unbound claim: one set aside for it, else the smallest that is free and good for it.

    `node`: it must be usable there. `delayed`: only one that is set aside will do.
    """
    selector = claim["spec"].get("selector")
    best: Obj | None = None
    for volume in volumes:
        if is_deleting(volume) or mismatch(volume, claim):
            continue
        if is_bound_to(volume, claim):
            return volume if node is None or reaches(volume, node) else None
        if delayed or volume["spec"].get("claimRef") is not None or _phase(volume) != AVAILABLE:
            continue
        if selector is not None and not LabelSelector.from_object(selector).matches(labels_of(volume)):
            continue
        if node is not None and not reaches(volume, node):
            continue
        if best is None or _rank(volume) < _rank(best):
            best = volume
    return best


def _rank(volume: Obj) -> tuple[int, int, str]:
    """Small first; of equal ones the one that can do least."""
    return quantity.to_int(capacity(volume)), len(volume["spec"].get("accessModes") or ()), name_of(volume)


def _phase(volume: Obj) -> str:
    return str(get_path(volume, "status", "phase", default=PENDING))


def _attributes_class(obj: Obj) -> str:
    return str(obj["spec"].get("volumeAttributesClassName") or "")
