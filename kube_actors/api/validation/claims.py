"""PersistentVolumes and PersistentVolumeClaims."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.internal import claim_spec_node, spec_difference, volume_source_node
from kube_actors.api.validation.metadata import label_selector
from kube_actors.api.validation.scheduling import node_selector
from kube_actors.api.validation.volumes import sources

_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_RECLAIM = ("Delete", "Recycle", "Retain")
_VOLUME_MODES = ("Block", "Filesystem")
_NOT_SOURCES = frozenset((
    "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity", "persistentVolumeReclaimPolicy",
    "storageClassName", "volumeAttributesClassName", "volumeMode",
))  # fmt: skip
_CLAIM_TEXT = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)


def _access_modes(causes: Causes, modes: list[str], path: str) -> None:
    for mode in modes:
        if mode not in _MODES:
            causes.unsupported(f"{path}.accessModes", mode, _MODES)
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        causes.forbidden(f"{path}.accessModes", "may not use ReadWriteOncePod with other access modes")


def _positive(causes: Causes, amount: str, path: str) -> None:
    if amount.startswith("-") or amount == "0":
        causes.invalid(path, amount, "must be greater than zero")


def volume(causes: Causes, obj: Obj) -> None:
    """A volume but its metadata (ValidatePersistentVolumeSpec)."""
    spec = obj["spec"]
    if not spec.get("accessModes"):
        causes.required("spec.accessModes")
    _access_modes(causes, spec.get("accessModes") or [], "spec")
    capacity = spec.get("capacity")
    if not capacity:
        causes.required("spec.capacity")
    if not capacity or set(capacity) != {"storage"}:
        causes.unsupported("spec.capacity", capacity, ("storage",))
    for name, amount in (capacity or {}).items():
        _positive(causes, amount, f"spec.capacity[{name}]")
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy not in _RECLAIM:
        causes.unsupported("spec.persistentVolumeReclaimPolicy", policy, _RECLAIM)
    affinity = (spec.get("nodeAffinity") or {}).get("required")
    if affinity is not None:
        node_selector(causes, affinity, "spec.nodeAffinity.required")
    sources(causes, {name: spec[name] for name in spec if name not in _NOT_SOURCES} | {"name": ""}, "spec")
    if "local" in spec and affinity is None:
        causes.required("spec.nodeAffinity", "Local volume requires node affinity")
    storage = spec.get("storageClassName")
    if storage:
        causes.each_invalid("spec.storageClassName", storage, names.dns_subdomain(storage))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in _VOLUME_MODES:
        causes.unsupported("spec.volumeMode", mode, _VOLUME_MODES)


def claim_spec(causes: Causes, spec: Obj, path: str = "spec") -> None:
    """The spec of a claim."""
    if not spec.get("accessModes"):
        causes.required(f"{path}.accessModes", "at least 1 access mode is required")
    if "selector" in spec:
        label_selector(causes, spec["selector"], f"{path}.selector")
    _access_modes(causes, spec.get("accessModes") or [], path)
    amount = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if amount is None:
        causes.required(f"{path}.resources[storage]")
    else:
        _positive(causes, amount, f"{path}.resources[storage]")
    storage = spec.get("storageClassName")
    if storage:
        causes.each_invalid(f"{path}.storageClassName", storage, names.dns_subdomain(storage))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in _VOLUME_MODES:
        causes.unsupported(f"{path}.volumeMode", mode, _VOLUME_MODES)
    for field in ("dataSource", "dataSourceRef"):
        if field in spec:
            _data_source(causes, spec[field], f"{path}.{field}")
    if "dataSource" in spec and "dataSourceRef" in spec:
        pair = [{key: spec[field].get(key) for key in ("kind", "name")} for field in ("dataSource", "dataSourceRef")]
        if pair[0] != pair[1]:
            causes.invalid(path, {}, "must match dataSourceRef")


def _data_source(causes: Causes, source: Obj, path: str) -> None:
    if not source.get("name"):
        causes.required(f"{path}.name")
    if not source.get("kind"):
        causes.required(f"{path}.kind")
    elif not source.get("apiGroup") and source["kind"] != "PersistentVolumeClaim":
        causes.invalid(path, source["kind"], "must be 'PersistentVolumeClaim' when referencing the default apiGroup")


def claim(causes: Causes, obj: Obj) -> None:
    """A claim but its metadata."""
    claim_spec(causes, obj["spec"])


def claim_update(causes: Causes, new: Obj, old: Obj) -> None:
    """A claim stays as it is, but for its size and its attributes once it is bound."""
    claim_spec(causes, new["spec"])
    spec, before = dict(new["spec"]), dict(old["spec"])
    bound = (old.get("status") or {}).get("phase") == "Bound"
    if not before.get("volumeName") and spec.get("volumeName"):
        before["volumeName"] = spec["volumeName"]
    if not before.get("storageClassName") and "storageClassName" not in before:
        spec.pop("storageClassName", None)
    if bound:
        before["resources"] = spec.get("resources")
        before.pop("volumeAttributesClassName", None)
        spec.pop("volumeAttributesClassName", None)
    if spec != before:
        causes.forbidden("spec", f"{_CLAIM_TEXT}\n{spec_difference(claim_spec_node(), before, spec)}")
    causes.immutable("volumeMode", new["spec"].get("volumeMode"), old["spec"].get("volumeMode"))


def claim_status(causes: Causes, new: Obj, old: Obj) -> None:
    """What became of the claim, and of a wish for more."""
    for name, amount in ((new.get("status") or {}).get("capacity") or {}).items():
        if amount.startswith("-"):
            causes.invalid(f"status.capacity[{name}]", Raw(amount), "must be a valid resource quantity")


def volume_update(causes: Causes, new: Obj, old: Obj) -> None:
    """What a volume is made of stays."""
    volume(causes, new)
    spec, before = new["spec"], old["spec"]
    sources_now, sources_before = ({key: one[key] for key in one if key not in _NOT_SOURCES} for one in (spec, before))
    if sources_now != sources_before:
        text = "spec.persistentvolumesource is immutable after creation"
        node = volume_source_node()
        difference = spec_difference(node, sources_before, sources_now)
        causes.forbidden("spec.persistentvolumesource", f"{text}\n{difference}")
    causes.immutable("volumeMode", spec.get("volumeMode"), before.get("volumeMode"))
    if "nodeAffinity" in before and spec.get("nodeAffinity") != before["nodeAffinity"]:
        text = "field is immutable, except for updating from beta label to GA"
        causes.invalid("nodeAffinity", spec.get("nodeAffinity"), text)
