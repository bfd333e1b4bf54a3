"""The spec of a PersistentVolumeClaim, which pods and StatefulSets hold, too."""

from __future__ import annotations

from kube_actors.api import Obj, quantity
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.internal import claim_spec_node, spec_difference
from kube_actors.api.validation.metadata import label_selector

_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
_SOURCE = ("apiGroup", "kind", "name")
_STORAGE_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_CLAIM_TEXT = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)


def access_modes(causes: Causes, modes: list[str], path: str) -> None:
    """How a volume may be mounted; ReadWriteOncePod goes with nothing else."""
    for mode in modes:
        if mode not in _MODES:
            causes.unsupported(f"{path}.accessModes", mode, _MODES)
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        causes.forbidden(f"{path}.accessModes", "may not use ReadWriteOncePod with other access modes")


def positive(causes: Causes, amount: str, path: str) -> None:
    """A quantity above zero."""
    if amount.startswith("-") or amount == "0":
        causes.invalid(path, amount, "must be greater than zero")


def claim_spec(causes: Causes, spec: Obj, path: str = "spec") -> None:
    """The spec of a claim (ValidatePersistentVolumeClaimSpec)."""
    if not spec.get("accessModes"):
        causes.required(f"{path}.accessModes", "at least 1 access mode is required")
    if "selector" in spec:
        label_selector(causes, spec["selector"], f"{path}.selector")
    access_modes(causes, spec.get("accessModes") or [], path)
    amount = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if amount is None:
        causes.required(f"{path}.resources[storage]")
    else:
        positive(causes, amount, f"{path}.resources[storage]")
    storage = spec.get("storageClassName")
    if storage:
        causes.each_invalid(f"{path}.storageClassName", storage, names.dns_subdomain(storage))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        causes.unsupported(f"{path}.volumeMode", mode, VOLUME_MODES)
    for field in ("dataSource", "dataSourceRef"):
        if field in spec:
            _data_source(causes, spec[field], f"{path}.{field}")
    if "dataSource" in spec and "dataSourceRef" in spec:
        pair = [{key: spec[field].get(key) for key in _SOURCE} for field in ("dataSource", "dataSourceRef")]
        if pair[0] != pair[1]:
            causes.invalid(path, {}, "must match dataSourceRef")
    attributes = spec.get("volumeAttributesClassName")
    if attributes:
        causes.each_invalid(f"{path}.volumeAttributesClassName", attributes, names.dns_subdomain(attributes))


def _data_source(causes: Causes, source: Obj, path: str) -> None:
    group, kind = source.get("apiGroup") or "", source.get("kind", "")
    if not source.get("name"):
        causes.required(f"{path}.name")
    if not kind:
        causes.required(f"{path}.kind")
    if not group and kind != "PersistentVolumeClaim":
        causes.invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
    if group:
        causes.each_invalid(f"{path}.apiGroup", group, names.dns_subdomain(group))
    if source.get("namespace"):
        causes.each_invalid(f"{path}.namespace", source["namespace"], names.dns_label(source["namespace"]))


def claim(causes: Causes, obj: Obj) -> None:
    """A claim but its metadata."""
    claim_spec(causes, obj["spec"])


def claim_update(causes: Causes, new: Obj, old: Obj) -> None:
    """A claim stays as it is, but for its size and its attributes once it is bound."""
    claim_spec(causes, new["spec"])
    _storage_annotation(causes, new, old)
    spec, before = dict(new["spec"]), dict(old["spec"])
    if not before.get("volumeName") and spec.get("volumeName"):
        before["volumeName"] = spec["volumeName"]
    if "storageClassName" not in before:  # one that had none may get the default class
        spec.pop("storageClassName", None)
    if (new.get("status") or {}).get("phase") == "Bound":
        before["resources"] = spec.get("resources")
        before.pop("volumeAttributesClassName", None)
        spec.pop("volumeAttributesClassName", None)
    if spec != before:
        causes.forbidden("spec", f"{_CLAIM_TEXT}\n{spec_difference(claim_spec_node(), before, spec)}")
    _size(causes, new, old)
    causes.immutable("volumeMode", new["spec"].get("volumeMode"), old["spec"].get("volumeMode"))
    name, had = (one["spec"].get("volumeAttributesClassName") for one in (new, old))
    if had is not None and not name:
        kind = "nil" if name is None else "an empty string"
        causes.forbidden("spec.volumeAttributesClassName", f"update from non-nil value to {kind} is forbidden")


def _storage_annotation(causes: Causes, new: Obj, old: Obj) -> None:
    values, before = ((one["metadata"].get("annotations") or {}).get(_STORAGE_ANNOTATION, "") for one in (new, old))
    moved = before and "storageClassName" not in old["spec"] and new["spec"].get("storageClassName") == before
    if values != before and not (moved and not values):
        causes.invalid(f"metadata.annotations.{_STORAGE_ANNOTATION}", values, "field is immutable")


def _size(causes: Causes, new: Obj, old: Obj) -> None:
    """It may shrink again after an expansion that failed, never below what there is."""
    wanted, before = (
        ((one["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0") for one in (new, old)
    )
    capacity = ((old.get("status") or {}).get("capacity") or {}).get("storage", "0")
    if quantity.compare(wanted, before) < 0 and quantity.compare(wanted, capacity) <= 0:
        causes.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")


_RESIZE_STATES = (
    "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible",
    "NodeResizePending",
)  # fmt: skip


def claim_status(causes: Causes, new: Obj, old: Obj) -> None:
    """What became of the claim, and of a wish for more."""
    status = new.get("status") or {}
    if not new["spec"].get("accessModes"):
        causes.required("Spec.accessModes")
    for name, amount in (status.get("capacity") or {}).items():
        if amount.startswith("-"):
            causes.invalid(f"status.capacity[{name}]", Raw(amount), "must be a valid resource quantity")
    for name, state in (status.get("allocatedResourceStatuses") or {}).items():
        _claim_resource(causes, name, "status.allocatedResourceStatus")
        if state not in _RESIZE_STATES:
            causes.unsupported("status.allocatedResourceStatus", name, sorted(_RESIZE_STATES))
    for name, amount in (status.get("allocatedResources") or {}).items():
        before = len(causes)
        _claim_resource(causes, name, "status.allocatedResources")
        if len(causes) == before and amount.startswith("-"):
            text = "must be a valid resource quantity"
            causes.invalid(f"status.allocatedResources[{name}]", Raw(amount), text)


def _claim_resource(causes: Causes, name: str, path: str) -> None:
    faults = names.qualified_name(name)
    causes.each_invalid(path, name, faults)
    if not faults and ("/" not in name or "kubernetes.io/" in name) and name != "storage":
        causes.unsupported(path, name, ("storage",))
