"""Whether the openAPIV3Schema of a CRD may be used: allowed keywords, structural, defaults that fit.

Kubernetes: ValidateCustomResourceDefinitionOpenAPISchema and structuralschema.ValidateStructural. Three walks over one
tree, each of which runs only where the one before found nothing.
"""

from __future__ import annotations

from typing import Any

from kube_actors.api import regexes
from kube_actors.api.crd import values
from kube_actors.api.crd.pruning import pruned
from kube_actors.api.crd.rule_checks import check_rules
from kube_actors.api.crd.structural import MISSING, TYPE_META, Structural, structural
from kube_actors.api.validation.causes import Causes

Raw = dict[str, Any]
TYPES = ("array", "boolean", "integer", "number", "object", "string")
_LIST_TYPES = ("atomic", "set", "map")
_FORBIDDEN = ("id", "patternProperties", "additionalItems", "definitions", "dependencies", "$ref")
_NOT_IN_LOGIC = (
    "title", "description", "default", "type", "nullable", "additionalProperties",
    "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys", "x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-validations",
)  # fmt: skip
# Kubernetes sets no limit; nobody writes such schemas, and what walks them is recursive.
DEEPEST = 100
_LOGIC = ("allOf", "anyOf", "oneOf", "not")


def check_schema(causes: Causes, raw: Raw, path: str) -> None:
    """All that is wrong with a version's schema."""
    before = len(causes)
    if _is_deeper(raw, DEEPEST):
        causes.forbidden(path, f"schemas may not be nested deeper than {DEEPEST} levels")
        return
    if raw.get("nullable"):
        causes.forbidden(f"{path}.nullable", "nullable cannot be true at the root")
    _check_keywords(causes, raw, path, root=True)
    check_rules(causes, structural(raw), path)
    found = Causes()
    _check_structural(found, raw, path, "root")
    if not found and len(causes) == before:
        _check_defaults(found, structural(raw), path, root=True)
    causes += found


def _is_deeper(raw: Raw, levels: int) -> bool:
    """Whether schemas lie within schemas more than so often. Looked at level by level, without recursion."""
    level: list[Any] = [raw]
    for _ in range(levels):
        level = [below for one in level for below in _below(one)]
    return bool(level)


def _below(raw: Raw) -> list[Raw]:
    found = [*(raw.get("properties") or {}).values(), raw.get("items"), raw.get("additionalProperties"), raw.get("not")]
    for keyword in ("allOf", "anyOf", "oneOf"):
        found += raw.get(keyword) or ()
    return [one for one in found if isinstance(one, dict)]


def _check_keywords(causes: Causes, raw: Raw, path: str, *, root: bool = False) -> None:
    for keyword in _FORBIDDEN:
        if raw.get(keyword) is not None:
            causes.forbidden(f"{path}.{keyword}", f"{keyword} is not supported")
    kind = raw.get("type") or ""
    if kind == "null":
        causes.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    elif kind and kind not in TYPES:
        causes.unsupported(f"{path}.type", kind, TYPES)
    if raw.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.forbidden(f"{path}.uniqueItems", text)
    if raw.get("pattern"):
        _check_pattern(causes, raw["pattern"], f"{path}.pattern")
    _check_additional(causes, raw, path, root)
    for name, below in (raw.get("properties") or {}).items():
        _check_keywords(causes, below, f"{path}.properties[{name}]")
    for keyword in ("allOf", "oneOf", "anyOf"):
        for index, below in enumerate(raw.get(keyword) or ()):
            _check_keywords(causes, below, f"{path}.{keyword}[{index}]")
    for keyword in ("not", "items"):
        if isinstance(raw.get(keyword), dict):
            _check_keywords(causes, raw[keyword], f"{path}.{keyword}")
    _check_extensions(causes, raw, path)


def _check_pattern(causes: Causes, pattern: str, path: str) -> None:
    try:
        regexes.compile(pattern)
    except regexes.RegexError as error:
        causes.invalid(path, pattern, f"must be a valid regular expression, but isn't: error parsing regexp: {error}")


def _check_additional(causes: Causes, raw: Raw, path: str, root: bool) -> None:
    additional = raw.get("additionalProperties")
    if additional is None:
        return
    if raw.get("properties") and (additional is False or isinstance(additional, dict)):
        text = "additionalProperties and properties are mutual exclusive"
        causes.forbidden(f"{path}.additionalProperties", text)
    if root and additional is not False:
        causes.forbidden(f"{path}.additionalProperties", "additionalProperties cannot be used at the root")
    if isinstance(additional, dict):
        _check_keywords(causes, additional, f"{path}.additionalProperties")


def _check_extensions(causes: Causes, raw: Raw, path: str) -> None:
    kind = raw.get("type") or ""
    if raw.get("x-kubernetes-preserve-unknown-fields") is False:
        causes.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    map_type, list_type = raw.get("x-kubernetes-map-type"), raw.get("x-kubernetes-list-type")
    if map_type is not None and kind != "object":
        _wants_type(causes, kind, path, "must be object if x-kubernetes-map-type is specified")
    if map_type is not None and map_type not in ("atomic", "granular"):
        causes.unsupported(f"{path}.x-kubernetes-map-type", map_type, ("atomic", "granular"))
    if list_type is not None and kind != "array":
        _wants_type(causes, kind, path, "must be array if x-kubernetes-list-type is specified")
    elif list_type is not None and list_type not in _LIST_TYPES:
        causes.unsupported(f"{path}.x-kubernetes-list-type", list_type, _LIST_TYPES)
    _check_map_keys(causes, raw, path, list_type)


def _wants_type(causes: Causes, kind: str, path: str, text: str) -> None:
    if kind:
        causes.invalid(f"{path}.type", kind, text)
    else:
        causes.required(f"{path}.type", text)


def _check_map_keys(causes: Causes, raw: Raw, path: str, list_type: str | None) -> None:
    keys, where = raw.get("x-kubernetes-list-map-keys") or [], f"{path}.x-kubernetes-list-map-keys"
    if list_type != "map":
        if keys:
            text = "must be map if x-kubernetes-list-map-keys is non-empty"
            if list_type is None:
                causes.required(f"{path}.x-kubernetes-list-type", text)
            else:
                causes.invalid(f"{path}.x-kubernetes-list-type", list_type, text)
        return
    if not keys:
        causes.required(where, "must not be empty if x-kubernetes-list-type is map")
    items = raw.get("items")
    if not isinstance(items, dict):
        causes.required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
        return
    if items.get("type") != "object":
        text = "must be object if parent array's x-kubernetes-list-type is map"
        causes.invalid(f"{path}.items.type", items.get("type") or "", text)
    known, needed = items.get("properties") or {}, items.get("required") or ()
    for index, key in enumerate(keys):
        if key not in known:
            causes.invalid(where, keys, "entries must all be names of item properties")
        elif known[key].get("type") in ("object", "array"):
            causes.invalid(f"{where}[{index}]", key, "must be a scalar property of items")
        elif key not in needed and "default" not in known[key]:
            text = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            causes.required(f"{path}.items.properties[{key}].default", text)


def _check_structural(causes: Causes, raw: Raw, path: str, place: str) -> None:
    kind = raw.get("type") or ""
    embedded, preserves = raw.get("x-kubernetes-embedded-resource"), raw.get("x-kubernetes-preserve-unknown-fields")
    free = preserves or raw.get("x-kubernetes-int-or-string")
    if place == "root" and kind != "object":
        if kind:
            causes.invalid(f"{path}.type", kind, "must be object at the root")
        else:
            causes.required(f"{path}.type", "must not be empty at the root")
    elif not kind and not free:
        causes.required(f"{path}.type", f"must not be empty for specified {place}")
    if embedded and kind != "object":
        _wants_type(causes, kind, path, "must be object if x-kubernetes-embedded-resource is true")
    if embedded and not preserves and not raw.get("properties"):
        text = (
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        )
        causes.required(f"{path}.properties", text)
    if kind == "array" and not isinstance(raw.get("items"), dict):
        causes.required(f"{path}.items", "must be specified")
    if place == "root" or embedded:
        _check_type_meta(causes, raw, path)
    _check_logic(causes, raw, path)
    if isinstance(raw.get("items"), dict):
        _check_structural(causes, raw["items"], f"{path}.items", "array items")
    for name, below in (raw.get("properties") or {}).items():
        _check_structural(causes, below, f"{path}.properties[{name}]", "object fields")
    if isinstance(raw.get("additionalProperties"), dict):
        _check_structural(causes, raw["additionalProperties"], f"{path}.additionalProperties", "object fields")


def _check_type_meta(causes: Causes, raw: Raw, path: str) -> None:
    properties = raw.get("properties") or {}
    for name, kind in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        if name in properties and properties[name].get("type") != kind:
            found = properties[name].get("type") or ""
            causes.invalid(f"{path}.properties[{name}].type", found, f"must be {kind}")
    metadata = properties.get("metadata") or {}
    allowed = {"name", "generateName"}
    extra = set(metadata) - {"type", "description", "properties"}
    if extra or set(metadata.get("properties") or ()) - allowed:
        text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        causes.forbidden(f"{path}.properties[metadata]", text)


def _check_logic(causes: Causes, raw: Raw, path: str) -> None:
    """Below allOf, anyOf, oneOf and not there may be checks of values, and no structure."""
    int_or_string = bool(raw.get("x-kubernetes-int-or-string"))
    for keyword in _LOGIC:
        found = raw.get(keyword)
        below = [(f"{path}.{keyword}", found)] if isinstance(found, dict) else []
        below += [
            (f"{path}.{keyword}[{index}]", one) for index, one in enumerate(found if isinstance(found, list) else ())
        ]
        for where, one in below:
            _check_value_schema(causes, one, where, int_or_string)


def _check_value_schema(causes: Causes, raw: Raw, path: str, int_or_string: bool) -> None:
    for keyword in _NOT_IN_LOGIC:
        allowed = keyword == "type" and int_or_string and raw.get("type") in ("integer", "string")
        if raw.get(keyword) and not allowed:
            causes.forbidden(f"{path}.{keyword}", "must be empty to be structural")
    for name, below in (raw.get("properties") or {}).items():
        _check_value_schema(causes, below, f"{path}.properties[{name}]", False)
    if isinstance(raw.get("items"), dict):
        _check_value_schema(causes, raw["items"], f"{path}.items", False)
    _check_logic(
        causes, {key: raw[key] for key in _LOGIC if key in raw} | {"x-kubernetes-int-or-string": int_or_string}, path
    )


def _check_defaults(causes: Causes, node: Structural, path: str, *, root: bool = False) -> None:
    """Defaults have to be valid themselves, and to survive pruning."""
    if node.default is not MISSING:
        for cause in values.check(node.raw, node.default):
            field = "" if cause.field == "<nil>" else cause.field
            causes.append(type(cause)(cause.reason, cause.message, f"{path}.default" + (f".{field}" if field else "")))
        if pruned(node, node.default, []) != node.default:
            causes.invalid(f"{path}.default", node.default, "must not have unknown fields")
    for name, below in node.properties.items():
        if not (root and name in TYPE_META):
            _check_defaults(causes, below, f"{path}.properties[{name}]")
    if node.items is not None:
        _check_defaults(causes, node.items, f"{path}.items")
    if node.additional is not None:
        _check_defaults(causes, node.additional, f"{path}.additionalProperties")
