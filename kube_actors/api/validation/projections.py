"""Volumes whose files come from the API: secrets, config maps, the pod itself, tokens, trust bundles."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.environment import field_ref, resource_field_ref
from kube_actors.api.validation.metadata import label_selector
from kube_actors.api.validation.paths import unreserved_path
from kube_actors.api.validation.signers import signer_name

_MODE_TEXT = "must be a number between 0 and 0777 (octal), both inclusive"
_MODE_MAX = 0o777
_DOWNWARD_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_KINDS = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate")


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


def secret(causes: Causes, source: Obj, path: str) -> None:
    """A volume of a secret's keys."""
    if not source.get("secretName"):
        causes.required(f"{path}.secretName")
    _mode(causes, source, "defaultMode", path)
    _items(causes, source, path)


def config_map(causes: Causes, source: Obj, path: str) -> None:
    """A volume of a config map's keys."""
    if not source.get("name"):
        causes.required(f"{path}.name")
    _mode(causes, source, "defaultMode", path)
    _items(causes, source, path)


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


def downward_api(causes: Causes, source: Obj, path: str) -> None:
    """A volume of what the pod is."""
    _mode(causes, source, "defaultMode", path)
    _downward_items(causes, source, path)


_TOKEN_MIN, _TOKEN_MAX = 600, 1 << 32


def projected(causes: Causes, source: Obj, path: str) -> None:
    """Several of these in one volume, no two in one place."""
    _mode(causes, source, "defaultMode", path)
    taken: set[str] = set()
    for index, projection in enumerate(source.get("sources") or ()):
        here = f"{path}.sources[{index}]"
        given = [kind for kind in _KINDS if kind in projection]
        for kind in given:
            _projection(causes, kind, projection[kind], here, path, taken)
        if len(given) > 1:
            causes.forbidden(here, "may not specify more than 1 volume type per source")


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
    elif kind == "clusterTrustBundle":
        _trust_bundle(causes, source, where, path, taken)


def _trust_bundle(causes: Causes, source: Obj, where: str, path: str, taken: set[str]) -> None:
    """Certificates of one bundle by its name, or of all of a signer."""
    name, signer = source.get("name"), source.get("signerName")
    if name is not None and signer is not None:
        causes.invalid(where, _internal_bundle(source), "only one of name and signerName may be used")
    elif name is not None:
        if not name:
            causes.required(f"{where}.name", "must be a valid object name")
        for fault in names.dns_subdomain(name.rpartition(":")[2]):
            causes.invalid(f"{where}.name", name, f"not a valid clustertrustbundlename: {fault}")
        if "labelSelector" in source:
            text = "labelSelector must be unset if name is specified"
            causes.invalid(f"{where}.labelSelector", source["labelSelector"], text)
    elif signer is not None:
        if not signer:
            causes.required(f"{where}.signerName", "must be a valid signer name")
        signer_name(causes, f"{where}.signerName", signer)
        label_selector(causes, source.get("labelSelector") or {}, f"{where}.labelSelector")
    else:
        causes.required(where, "either name or signerName must be specified")
    if not source.get("path"):
        causes.required(f"{where}.path")
    unreserved_path(causes, f"{where}.path", source.get("path", ""))
    _conflict(causes, path, source.get("path", ""), source.get("path", ""), taken)


def _internal_bundle(source: Obj) -> Obj:
    fields = ("name", "signerName", "labelSelector", "optional", "path")
    return {field[0].upper() + field[1:]: source.get(field) for field in fields}


def _conflict(causes: Causes, field: str, path: str, shown: str, taken: set[str]) -> None:
    if path and path in taken:
        causes.invalid(field, shown, "conflicting duplicate paths")
    taken.add(path)
