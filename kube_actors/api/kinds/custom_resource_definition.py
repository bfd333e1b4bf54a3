"""CustomResourceDefinition (k8s.io/apiextensions-apiserver/pkg/apis/apiextensions).

Its schemas are checked in `api.crd.schema_checks`, its names and conditions are `api.crd.naming`.
"""

from __future__ import annotations

from typing import Any

from kube_actors.api import Obj
from kube_actors.api.crd import go_structs, jsonpath
from kube_actors.api.crd.schema_checks import check_schema
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

_COLUMN_TYPES = "boolean,date,integer,number,string"
_COLUMN_FORMATS = "byte,date,date-time,double,float,int32,int64,password"
_APPROVED = "api-approved.kubernetes.io"
_PROPOSAL = "see https://github.com/kubernetes/enhancements/pull/1111"
_PROTECTED = ("k8s.io", "kubernetes.io")


def _defaults(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind", "")
    if kind and not names.get("singular"):
        names["singular"] = kind.lower()
    if kind and not names.get("listKind"):
        names["listKind"] = f"{kind}List"
    conversion = spec.setdefault("conversion", {})
    if not conversion.get("strategy"):
        conversion["strategy"] = "None"
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", 443)


def _create(causes: Causes, obj: Obj) -> None:
    spec, name = obj.get("spec") or {}, obj["metadata"].get("name", "")
    own = spec.get("names") or {}
    if name != f"{own.get('plural', '')}.{spec.get('group', '')}":
        causes.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    _spec(causes, spec)
    _stored_versions(causes, obj)
    _approval(causes, obj)
    if spec.get("preserveUnknownFields"):
        text = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        causes.invalid("spec.preserveUnknownFields", True, text)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _create(causes, new)
    conditions = (old.get("status") or {}).get("conditions") or ()
    if not any(one.get("type") == "Established" and one.get("status") == "True" for one in conditions):
        return
    for part in ("group", "scope"):
        causes.immutable(f"spec.{part}", new["spec"].get(part, ""), old["spec"].get(part, ""))
    for part in ("plural", "kind"):
        new_name, old_name = (one["spec"].get("names", {}).get(part, "") for one in (new, old))
        causes.immutable(f"spec.names.{part}", new_name, old_name)


def _spec(causes: Causes, spec: Obj) -> None:
    group = spec.get("group") or ""
    if not group:
        causes.required("spec.group")
    elif found := names.dns_subdomain(group):
        causes.invalid("spec.group", group, ",".join(found))
    elif "." not in group:
        causes.invalid("spec.group", group, "should be a domain with at least one dot")
    causes.one_of("spec.scope", spec.get("scope") or "", ("Cluster", "Namespaced"))
    versions: list[Obj] = spec.get("versions") or []
    for index, version in enumerate(versions):
        if not _schema(version):
            causes.required(f"spec.versions[{index}].schema.openAPIV3Schema")
    hoisted = bool(versions) and all(_schema(one) == _schema(versions[0]) for one in versions)
    for index, version in enumerate(versions):
        _version(causes, version, f"spec.versions[{index}]", hoisted)
    shown = go_structs.versions(spec.get("versions"), hoisted=hoisted)
    labels = [version.get("name") for version in versions]
    if len(set(labels)) != len(labels):
        causes.invalid("spec.versions", shown, "must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        causes.invalid("spec.versions", shown, "must have exactly one version marked as storage version")
    _names(causes, spec.get("names") or {})
    if hoisted and _schema(versions[0]):
        check_schema(causes, _schema(versions[0]), "spec.validation.openAPIV3Schema")
    _conversion(causes, spec.get("conversion") or {})


def _schema(version: Obj) -> Obj:
    return (version.get("schema") or {}).get("openAPIV3Schema") or {}


def _version(causes: Causes, version: Obj, path: str, hoisted: bool) -> None:
    name = version.get("name") or ""
    if found := names.dns_label_1035(name):
        causes.invalid(f"{path}.name", name, ",".join(found))
    warning = version.get("deprecationWarning")
    if warning is not None and not version.get("deprecated"):
        causes.invalid(f"{path}.deprecationWarning", warning, "can only be set for deprecated versions")
    if not hoisted and _schema(version):
        check_schema(causes, _schema(version), f"{path}.schema.openAPIV3Schema")
    scale = (version.get("subresources") or {}).get("scale")
    if scale is not None:
        _scale(causes, scale, f"{path}.subresources.scale")
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        _column(causes, column, f"{path}.additionalPrinterColumns[{index}]")
    seen: set[str] = set()
    for index, one in enumerate(version.get("selectableFields") or ()):
        _selectable(
            causes, one.get("jsonPath") or "", _schema(version), seen, f"{path}.selectableFields[{index}].jsonPath"
        )


def _scale(causes: Causes, scale: Obj, path: str) -> None:
    for field, prefix in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        value = scale.get(field) or ""
        if not value:
            causes.required(f"{path}.{field}")
        elif not _simple_path(causes, value, f"{path}.{field}") and not value.startswith(prefix):
            causes.invalid(f"{path}.{field}", value, f"should be a json path under {prefix[:-1]}")
    selector = scale.get("labelSelectorPath")
    if selector and not selector.startswith((".spec.", ".status.")):
        causes.invalid(f"{path}.labelSelectorPath", selector, "should be a json path under either .status or .spec")


def _simple_path(causes: Causes, value: str, path: str) -> bool:
    """Whether it was refused: a simple path names fields, one after another."""
    try:
        steps = jsonpath.parse(value).steps
    except ValueError as error:
        causes.invalid(path, value, f"is an invalid json path: {error}")
        return True
    if any(kind != "name" for kind, _ in steps):
        causes.invalid(path, value, "must be a simple json path")
        return True
    return False


def _column(causes: Causes, column: Obj, path: str) -> None:
    kind = column.get("type") or ""
    if not column.get("name"):
        causes.required(f"{path}.name")
    if not kind:
        causes.required(f"{path}.type", f"must be one of {_COLUMN_TYPES}")
    elif kind not in _COLUMN_TYPES.split(","):
        causes.invalid(f"{path}.type", kind, f"must be one of {_COLUMN_TYPES}")
    if column.get("format") and column["format"] not in _COLUMN_FORMATS.split(","):
        causes.invalid(f"{path}.format", column["format"], f"must be one of {_COLUMN_FORMATS}")
    if not column.get("jsonPath"):
        causes.required(f"{path}.jsonPath")
        return
    try:
        jsonpath.parse(column["jsonPath"])
    except ValueError as error:
        causes.invalid(f"{path}.jsonPath", column["jsonPath"], f"is an invalid json path: {error}")


def _selectable(causes: Causes, value: str, schema: Obj, seen: set[str], path: str) -> None:
    if not value:
        causes.required(path)
        return
    if _simple_path(causes, value, path):
        return
    if value in seen:
        causes.duplicate(path, value)
    seen.add(value)
    node: Any = schema
    for _, name in jsonpath.parse(value).steps:
        node = (node.get("properties") or {}).get(name) if isinstance(node, dict) else None
    if value.startswith(".metadata.") or not isinstance(node, dict):
        causes.invalid(path, value, "is an invalid path: does not refer to a valid field")
    elif node.get("type") not in ("string", "integer", "boolean"):
        causes.invalid(path, value, "is an invalid path: must point to a field of type string, boolean or integer")


def _names(causes: Causes, own: Obj) -> None:
    for field in ("plural", "singular", "kind", "listKind"):
        if not own.get(field):
            causes.required(f"spec.names.{field}")
    for field in ("plural", "singular"):
        if own.get(field) and (found := names.dns_label_1035(own[field])):
            causes.invalid(f"spec.names.{field}", own[field], ",".join(found))
    for field in ("kind", "listKind"):
        if own.get(field) and (found := names.dns_label_1035(own[field].lower())):
            text = "may have mixed case, but should otherwise match: "
            causes.invalid(f"spec.names.{field}", own[field], text + ",".join(found))
    for index, short in enumerate(own.get("shortNames") or ()):
        if found := names.dns_label_1035(short):
            causes.invalid(f"spec.names.shortNames[{index}]", short, ",".join(found))
    if own.get("kind") and own.get("kind") == own.get("listKind"):
        causes.invalid("spec.names.listKind", own["listKind"], "kind and listKind may not be the same")
    for index, category in enumerate(own.get("categories") or ()):
        if found := names.dns_label_1035(category):
            causes.invalid(f"spec.names.categories[{index}]", category, ",".join(found))


def _conversion(causes: Causes, conversion: Obj) -> None:
    path, strategy = "spec.conversion", conversion.get("strategy") or ""
    causes.one_of(f"{path}.strategy", strategy, ("None", "Webhook"))
    webhook = conversion.get("webhook")
    client = (webhook or {}).get("clientConfig")
    if strategy != "Webhook":
        if webhook is not None:
            causes.forbidden(f"{path}.webhook", "should not be set when strategy is not set to Webhook")
        return
    if not client:
        text = "required when strategy is set to Webhook"
        causes.required(f"{path}.webhookClientConfig", text)
    elif bool(client.get("url")) == bool(client.get("service")):
        causes.required(f"{path}.webhookClientConfig", "exactly one of url or service is required")
    elif client.get("service"):
        for field in ("namespace", "name"):
            if not client["service"].get(field):
                causes.required(f"{path}.webhookClientConfig.service.{field}", f"service {field} is required")
    elif not client["url"].startswith("https://"):
        text = "'https' is the only allowed URL scheme; desired format: https://host[/path]"
        causes.invalid(f"{path}.webhookClientConfig.url", client["url"].partition("://")[0], text)
    reviewed = (webhook or {}).get("conversionReviewVersions") or []
    if not reviewed:
        causes.required(f"{path}.conversionReviewVersions")
    elif not {"v1", "v1beta1"} & set(reviewed):
        causes.invalid(f"{path}.conversionReviewVersions", reviewed, "must include at least one of v1, v1beta1")


def _stored_versions(causes: Causes, obj: Obj) -> None:
    path, stored = "status.storedVersions", (obj.get("status") or {}).get("storedVersions")
    if not stored:
        causes.invalid(path, None, "must have at least one stored version")
        return
    left = {name: index for index, name in enumerate(stored)}
    for version in (obj.get("spec") or {}).get("versions") or ():
        known = left.pop(version.get("name"), None)
        if version.get("storage") and known is None:
            causes.invalid(path, stored, f"must have the storage version {version.get('name')}")
    for name, index in left.items():
        causes.invalid(f"{path}[{index}]", name, "must appear in spec.versions")


def _approval(causes: Causes, obj: Obj) -> None:
    group = (obj.get("spec") or {}).get("group") or ""
    if not any(group == one or group.endswith(f".{one}") for one in _PROTECTED):
        return
    value = (obj["metadata"].get("annotations") or {}).get(_APPROVED)
    path, text = f"metadata.annotations[{_APPROVED}]", f'protected groups must have approval annotation "{_APPROVED}"'
    if value is None:
        causes.required(path, f"{text}, {_PROPOSAL}")
    elif not value.startswith(("unapproved", "https://", "http://")):
        text += ' with either a URL or a reason starting with "unapproved", '
        causes.invalid(path, value, text + _PROPOSAL)


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": None}
    _note_storage_version(obj)


def _prepare_update(new: Obj, old: Obj) -> None:
    new["status"] = {**(old.get("status") or {})}
    _note_storage_version(new)


def _note_storage_version(obj: Obj) -> None:
    """status.storedVersions: every version that objects in the store may have."""
    status = obj["status"]
    for version in (obj.get("spec") or {}).get("versions") or ():
        if version.get("storage") and version.get("name") not in (status.get("storedVersions") or ()):
            status["storedVersions"] = [*(status.get("storedVersions") or ()), version.get("name")]


KIND = Kind(
    rules=Rules(create=_create, update=_update),
    rest=RestRules(unconditional_update=False),
    defaults=_defaults,
    counted=("spec",),
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
)
