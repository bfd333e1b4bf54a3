"""Parts of a CRD as Kubernetes' internal Go structs in JSON, for messages: every field, none left out."""

from __future__ import annotations

from typing import Any

from kube_actors.api.gotext import go_json
from kube_actors.api.validation.causes import Raw as Shown

Json = dict[str, Any]

# Go name, JSON name, what stands for an absent value; in the order of the Go type.
_SCHEMA_FIELDS: tuple[tuple[str, str, Any], ...] = (
    ("ID", "id", ""), ("Schema", "$schema", ""), ("Ref", "$ref", None), ("Description", "description", ""),
    ("Type", "type", ""), ("Nullable", "nullable", False), ("Format", "format", ""), ("Title", "title", ""),
    ("Default", "default", None), ("Maximum", "maximum", None), ("ExclusiveMaximum", "exclusiveMaximum", False),
    ("Minimum", "minimum", None), ("ExclusiveMinimum", "exclusiveMinimum", False), ("MaxLength", "maxLength", None),
    ("MinLength", "minLength", None), ("Pattern", "pattern", ""), ("MaxItems", "maxItems", None),
    ("MinItems", "minItems", None), ("UniqueItems", "uniqueItems", False), ("MultipleOf", "multipleOf", None),
    ("Enum", "enum", None), ("MaxProperties", "maxProperties", None), ("MinProperties", "minProperties", None),
    ("Required", "required", None), ("Items", "items", None), ("AllOf", "allOf", None), ("OneOf", "oneOf", None),
    ("AnyOf", "anyOf", None), ("Not", "not", None), ("Properties", "properties", None),
    ("AdditionalProperties", "additionalProperties", None), ("PatternProperties", "patternProperties", None),
    ("Dependencies", "dependencies", None), ("AdditionalItems", "additionalItems", None),
    ("Definitions", "definitions", None), ("ExternalDocs", "externalDocs", None), ("Example", "example", None),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", None),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", False),
    ("XIntOrString", "x-kubernetes-int-or-string", False), ("XListMapKeys", "x-kubernetes-list-map-keys", None),
    ("XListType", "x-kubernetes-list-type", None), ("XMapType", "x-kubernetes-map-type", None),
    ("XValidations", "x-kubernetes-validations", None),
)  # fmt: skip


def rule(raw: Json) -> Shown:
    """A ValidationRule."""
    return Shown(go_json(_rule(raw)))


def versions(raw: list[Json] | None, *, hoisted: bool) -> Shown:
    """spec.versions; `hoisted`: what all versions have in common stands at the top of the internal spec."""
    return Shown("null" if raw is None else go_json([_version(one, hoisted) for one in raw]))


def _rule(raw: Json) -> Json:
    return {
        "Rule": raw.get("rule") or "",
        "Message": raw.get("message") or "",
        "MessageExpression": raw.get("messageExpression") or "",
        "Reason": raw.get("reason"),
        "FieldPath": raw.get("fieldPath") or "",
        "OptionalOldSelf": raw.get("optionalOldSelf"),
    }


def _version(raw: Json, hoisted: bool) -> Json:
    schema = None if hoisted else (raw.get("schema") or {}).get("openAPIV3Schema")
    return {
        "Name": raw.get("name") or "",
        "Served": bool(raw.get("served")),
        "Storage": bool(raw.get("storage")),
        "Deprecated": bool(raw.get("deprecated")),
        "DeprecationWarning": raw.get("deprecationWarning"),
        "Schema": None if schema is None else {"OpenAPIV3Schema": _schema(schema)},
        "Subresources": None,
        "AdditionalPrinterColumns": None,
        "SelectableFields": None,
    }


def _schema(raw: Json) -> Json:
    return {name: _schema_field(key, raw.get(key, absent)) for name, key, absent in _SCHEMA_FIELDS}


def _schema_field(key: str, value: Any) -> Any:
    if value is None:
        return None
    if key in ("allOf", "oneOf", "anyOf"):
        return [_schema(one) for one in value]
    if key == "not":
        return _schema(value)
    if key in ("properties", "patternProperties", "definitions"):
        return {name: _schema(one) for name, one in sorted(value.items())}
    if key == "items":
        return {"Schema": _schema(value), "JSONSchemas": None}
    if key in ("additionalProperties", "additionalItems"):
        return {"Allows": bool(value), "Schema": _schema(value) if isinstance(value, dict) else None}
    return [_rule(one) for one in value] if key == "x-kubernetes-validations" else value
