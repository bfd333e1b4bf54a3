"""What custom resources add to OpenAPI documents: a definition for each kind and for its list.

Kubernetes: k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder. In v2, which is older than structural
schemas, what it cannot say is left out: kubectl would refuse objects that the server takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kube_actors.api.resources import Resource

Raw = dict[str, Any]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_API_VERSION = (
    "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized "
    "schemas to the latest internal value, and may reject unrecognized values. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources"
)
_KIND = (
    "Kind is a string value representing the REST resource this object represents. Servers may infer this from the "
    "endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds"
)
_NOT_IN_V2 = ("allOf", "anyOf", "oneOf", "not", "nullable", "default", "x-kubernetes-validations")


def name_of(resource: Resource) -> str:
    """`com.example.v1.Thing`: the group reversed."""
    return f"{'.'.join(reversed(resource.group.split('.')))}.{resource.version}.{resource.kind}"


def definitions(resources: Iterable[Resource], prefix: str, *, v3: bool) -> Raw:
    """The definitions of the custom ones among `resources`, by name."""
    made: Raw = {}
    for resource in resources:
        if resource.definition is not None:
            name = name_of(resource)
            made[name] = _object(resource, resource.definition.schema.raw, prefix, v3)
            made[f"{name}List"] = _list(resource, prefix + name, prefix)
    return made


def _object(resource: Resource, raw: Raw, prefix: str, v3: bool) -> Raw:
    made = raw if v3 else _for_v2(raw)
    properties = {
        "apiVersion": {"type": "string", "description": _API_VERSION},
        "kind": {"type": "string", "description": _KIND},
        "metadata": _reference(f"{prefix}{_META}.ObjectMeta", v3),
    }
    return {
        **made,
        "type": "object",
        "properties": {**(made.get("properties") or {}), **properties},
        "x-kubernetes-group-version-kind": [_kind(resource, resource.kind)],
    }


def _reference(target: str, v3: bool) -> Raw:
    described = {"description": "Standard object's metadata."}
    return {"allOf": [{"$ref": target}], "default": {}, **described} if v3 else {"$ref": target, **described}


def _list(resource: Resource, item: str, prefix: str) -> Raw:
    return {
        "type": "object",
        "description": f"{resource.list_kind} is a list of {resource.kind}",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string", "description": _API_VERSION},
            "kind": {"type": "string", "description": _KIND},
            "metadata": {"$ref": f"{prefix}{_META}.ListMeta"},
            "items": {"type": "array", "items": {"$ref": item}, "description": f"List of {resource.plural}."},
        },
        "x-kubernetes-group-version-kind": [_kind(resource, resource.list_kind)],
    }


def _kind(resource: Resource, kind: str) -> Raw:
    return {"group": resource.group, "version": resource.version, "kind": kind}


def _for_v2(raw: Raw) -> Raw:
    """Without what v2 does not know; below unknown fields nothing is said, since anything may stand there."""
    if raw.get("x-kubernetes-preserve-unknown-fields"):
        return {key: raw[key] for key in ("description", "type") if key in raw} | {
            "x-kubernetes-preserve-unknown-fields": True
        }
    made = {key: value for key, value in raw.items() if key not in _NOT_IN_V2}
    if raw.get("nullable") or raw.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
        made.pop("properties", None)
        made.pop("items", None)
    if isinstance(made.get("properties"), dict):
        made["properties"] = {name: _for_v2(below) for name, below in made["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _for_v2(made[key])
    return made
