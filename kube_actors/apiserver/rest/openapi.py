"""/openapi/v2 and /openapi/v3, made of the schema data when first asked for and kept as bytes.

kubectl reads of them the schemas (explain, client-side checks) and whether a kind's PATCH knows `fieldValidation`;
so each resource's paths are there with their kinds and that parameter, and not every parameter of each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kube_actors.api import encoding, schema
from kube_actors.api.resources import Registry, Resource
from kube_actors.apiserver import version
from kube_actors.apiserver.aggregation.remotes import Remote
from kube_actors.apiserver.rest import custom_openapi

JSON = "application/json"
# kubectl asks for v2 in this form alone, and only for kinds that v3 does not have. It gets the head of a document
# (swagger "2.0", title and version) without schemas, and goes on as with a kind that nobody knows.
V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
# What kube-apiserver calls its answer: "@" is not allowed in a media type.
V2_ANSWER = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V2_HEAD = b"\x0a\x032.0\x12\x15\x0a\x0aKubernetes\x12\x07v1.36.0"
_DEFS = "#/$defs/"
_ACTIONS = {"create": "post", "get": "get", "update": "put", "patch": "patch", "delete": "delete", "list": "get"}
_COLLECTION = ("list", "create", "deletecollection")
_OBJECT = ("get", "update", "patch", "delete")
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
# Definitions that kubectl knows by name and objects do not refer to.
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_EXTRA = (f"{_META}Status", f"{_META}DeleteOptions", f"{_META}ObjectMeta", f"{_META}ListMeta")

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    body: bytes
    etag: str
    content_type: str = JSON


class OpenApi:
    """Documents by path: v2, v3, v3/api/v1, v3/apis/apps/v1."""

    def __init__(self, resources: Registry, remotes: Mapping[tuple[str, str], Remote]) -> None:
        """`remotes`: versions whose documents other servers have, which requests for them are sent to."""
        self._resources = resources
        self._remotes = remotes
        self._version: tuple[object, ...] = ()
        self._made: dict[tuple[str, ...], Document] = {}

    def document(self, parts: list[str]) -> Document | None:
        """None for a path that is none."""
        present = (*self._resources, *self._remotes)
        if present != self._version:
            self._made.clear()
            self._version = present
        key = tuple(parts)
        if key not in self._made:
            content = self._content(parts)
            if content is None:
                return None
            body = encoding.dumps(content)
            self._made[key] = Document(body, f'"{hashlib.sha256(body).hexdigest().upper()}"')
        return self._made[key]

    def _content(self, parts: list[str]) -> Raw | None:
        if parts == ["v2"]:
            return _v2(list(self._resources))
        if parts == ["v3"]:
            return self._index()
        if len(parts) == 3 and parts[:2] == ["v3", "api"]:
            found = self._of("", parts[2])
        elif len(parts) == 4 and parts[:2] == ["v3", "apis"]:
            found = self._of(parts[2], parts[3])
        else:
            return None
        return _v3(found) if found else None

    def _of(self, group: str, of_version: str) -> list[Resource]:
        return [one for one in self._resources if one.group == group and one.version == of_version]

    def _index(self) -> Raw:
        paths = {}
        for group, of_version in dict.fromkeys((one.group, one.version) for one in self._resources):
            path = f"apis/{group}/{of_version}" if group else f"api/{of_version}"
            document = self.document(["v3", *path.split("/")])
            assert document is not None
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={document.etag.strip(chr(34))}"}
        for (group, of_version), remote in self._remotes.items():
            path = f"apis/{group}/{of_version}"
            mark = remote.service["metadata"].get("uid", "")
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={mark}"}
        return {"paths": paths}


def _info() -> Raw:
    return {"title": "Kubernetes", "version": version.GIT_VERSION}


def _v2(resources: list[Resource]) -> Raw:
    prefix = "#/definitions/"
    return {
        "swagger": "2.0",
        "info": _info(),
        "paths": _paths(resources, prefix, v3=False),
        "definitions": _definitions(resources, prefix, v3=False),
    }


def _v3(resources: list[Resource]) -> Raw:
    prefix = "#/components/schemas/"
    return {
        "openapi": "3.0.0",
        "info": _info(),
        "paths": _paths(resources, prefix, v3=True),
        "components": {"schemas": _definitions(resources, prefix, v3=True)},
    }


def _definitions(resources: list[Resource], prefix: str, *, v3: bool) -> Raw:
    """The definitions of built-in kinds and all that they refer to, and those that custom resources bring."""
    built_in = {name: _converted(name, prefix, _kinds(resources)) for name in _closure(_roots(resources))}
    return built_in | custom_openapi.definitions(resources, prefix, v3=v3)


def _roots(resources: Iterable[Resource]) -> list[str]:
    names = [schema.definition_name(resource) for resource in resources if not resource.custom]
    lists = [f"{name}List" for name in names]
    return [name for name in (*names, *lists, *_EXTRA) if name in schema.definitions()]


def _closure(roots: Iterable[str]) -> list[str]:
    """The definitions that are needed, sorted."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_references(schema.definitions()[name]))
    return sorted(found)


def _references(raw: Any) -> Iterable[str]:
    if isinstance(raw, dict):
        reference = raw.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_DEFS)
        for value in raw.values():
            yield from _references(value)
    elif isinstance(raw, list):
        for value in raw:
            yield from _references(value)


def _kinds(resources: Iterable[Resource]) -> dict[str, Raw]:
    return {
        schema.definition_name(one): {"group": one.group, "version": one.version, "kind": one.kind}
        for one in resources
        if not one.custom
    }


def _converted(name: str, prefix: str, kinds: dict[str, Raw]) -> Raw:
    """A definition as OpenAPI has it: the schema file is JSON schema with its own additions."""
    converted: Raw = _plain(schema.definitions()[name], prefix)
    if name in kinds:
        converted["x-kubernetes-group-version-kind"] = [kinds[name]]
    return converted


def _plain(raw: Any, prefix: str) -> Any:
    if isinstance(raw, list):
        return [_plain(value, prefix) for value in raw]
    if not isinstance(raw, dict):
        return raw
    plain: Raw = {}
    for key, value in raw.items():
        if key == "$ref":
            plain[key] = prefix + value.removeprefix(_DEFS)
        elif key == "type" and isinstance(value, list):
            plain[key] = next((one for one in value if one != "null"), "object")
        elif key == "properties":
            plain[key] = {name: _plain(inner, prefix) for name, inner in value.items()}
        elif key == "enum" and isinstance(value, list):
            plain[key] = [one for one in value if one is not None]
        elif key != "$schema" and not (key == "additionalProperties" and value is False):
            plain[key] = _plain(value, prefix)
    return plain


def _paths(resources: Iterable[Resource], prefix: str, *, v3: bool) -> Raw:
    paths: Raw = {}
    for resource in resources:
        name = custom_openapi.name_of(resource) if resource.custom else schema.definition_name(resource)
        known = resource.custom or name in schema.definitions()
        reference = {"$ref": prefix + name} if known else {"type": "object"}
        base = resource.path("{namespace}" if resource.namespaced else "")
        in_path = ["namespace"] if resource.namespaced else []
        collection = {verb: _operation(resource, verb, reference, v3) for verb in _COLLECTION if verb in resource.verbs}
        if collection:
            paths[base] = _path_item(collection, in_path, v3)
        single = {verb: _operation(resource, verb, reference, v3) for verb in _OBJECT if verb in resource.verbs}
        if single:
            paths[f"{base}/{{name}}"] = _path_item(single, [*in_path, "name"], v3)
            if "status" in resource.subresources:
                written = {verb: found for verb, found in single.items() if verb != "delete"}
                paths[f"{base}/{{name}}/status"] = _path_item(written, [*in_path, "name"], v3)
    return paths


def _path_item(operations: dict[str, Raw], in_path: Iterable[str], v3: bool) -> Raw:
    """The operations of a path, and the parameters in it that they share."""
    methods: Raw = {_ACTIONS.get(verb, "delete"): operation for verb, operation in operations.items()}
    parameters = [_parameter(name, v3) | {"in": "path", "required": True} for name in in_path]
    return methods | ({"parameters": parameters} if parameters else {})


def _operation(resource: Resource, verb: str, reference: Raw, v3: bool) -> Raw:
    action = {"create": "post", "update": "put"}.get(verb, verb)
    operation: Raw = {
        "operationId": f"{verb}{resource.group.title().replace('.', '')}{resource.version.title()}{resource.kind}",
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": resource.group,
            "version": resource.version,
            "kind": resource.kind,
        },
        "parameters": [],
        "responses": {"200": _response(reference, v3)},
    }
    if verb in ("create", "update", "patch"):
        names = ("dryRun", "fieldManager", "fieldValidation")
        operation["parameters"] = [_parameter(name, v3) for name in names]
        media_types = _patches(resource) if verb == "patch" else (JSON,)
        if v3:
            operation["requestBody"] = {"content": {one: {"schema": reference} for one in media_types}}
        else:
            operation["consumes"] = list(media_types)
            operation["parameters"].append({"name": "body", "in": "body", "required": True, "schema": reference})
    return operation


def _patches(resource: Resource) -> tuple[str, ...]:
    return tuple(one for one in _PATCHES if not (resource.custom and "strategic" in one))


def _parameter(name: str, v3: bool) -> Raw:
    shape: Raw = {"schema": {"type": "string"}} if v3 else {"type": "string"}
    return {"name": name, "in": "query", **shape}


def _response(reference: Raw, v3: bool) -> Raw:
    if v3:
        return {"description": "OK", "content": {JSON: {"schema": reference}}}
    return {"description": "OK", "schema": reference}
