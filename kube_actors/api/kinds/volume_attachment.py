"""VolumeAttachment: that a volume shall be attached to a node, and whether it is."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import names, storage
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.rules import Rules

_METADATA_BYTES, _MESSAGE_BYTES, _CODE_MAX = 256 * 1024, 1024, 2**31 - 1


def _create(causes: Causes, obj: Obj) -> None:
    _valid(causes, obj)
    storage.driver_name(causes, obj["spec"].get("attacher", ""), "spec.attacher")
    volume = (obj["spec"].get("source") or {}).get("persistentVolumeName")
    if volume is not None:
        causes.each_invalid("spec.source.persistentVolumeName", volume, names.dns_subdomain(volume))


def _valid(causes: Causes, obj: Obj) -> None:
    spec, status = obj["spec"], obj.get("status") or {}
    if not spec.get("attacher"):
        causes.required("spec.attacher")
    _source(causes, spec.get("source") or {})
    node = spec.get("nodeName", "")
    causes.each_invalid("spec.nodeName", node, names.dns_subdomain(node))
    size = sum(len(key) + len(value) for key, value in (status.get("attachmentMetadata") or {}).items())
    if size > _METADATA_BYTES:
        causes.too_long("status.attachmentMetadata", _METADATA_BYTES)
    for field in ("attachError", "detachError"):
        fault = status.get(field) or {}
        if len(fault.get("message", "")) > _MESSAGE_BYTES:
            causes.too_long(f"status.{field}.message", _METADATA_BYTES)  # Kubernetes names the other limit
        if fault.get("errorCode", 0) < 0:
            text = f"must be between 0 and {_CODE_MAX}, inclusive"
            causes.invalid(f"status.{field}.errorCode", fault["errorCode"], text)


def _source(causes: Causes, source: Obj) -> None:
    volume, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    if inline is None and volume is None:
        causes.required("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
    elif inline is not None and volume is not None:
        causes.forbidden("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
    elif volume == "":
        causes.required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName")


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _valid(causes, new)
    if new["spec"] != old["spec"]:
        causes.invalid("spec", Raw(go_json(_internal(new["spec"]))), "field is immutable")


def _internal(spec: Obj) -> Obj:
    source = spec.get("source") or {}
    shown = {
        "PersistentVolumeName": source.get("persistentVolumeName"),
        "InlineVolumeSpec": source.get("inlineVolumeSpec"),
    }
    return {"Attacher": spec.get("attacher", ""), "Source": shown, "NodeName": spec.get("nodeName", "")}


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    _valid(causes, new)


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status),
    rest=RestRules(answers_deleted_object=True, unconditional_update=False),
    status_takes_metadata=False,
)
