"""The schema of every built-in kind, from the package kubernetes-validate (Kubernetes 1.36, strict).

The file is parsed once, on the first question (about 15 ms); a node is built when somebody walks to it.
kubernetes_validate itself is never imported: it would bring jsonschema along. The same `SchemaNode` also
wraps the schema of a CustomResourceDefinition.
"""

from __future__ import annotations

import importlib.util
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import orjson

from kube_actors.api.errors import ConfigError
from kube_actors.api.resources import Resource

_PACKAGE = "kubernetes_validate"
_FILE = "kubernetes-json-schema/v1.36.0-local-strict/_definitions.json"
_REF = "#/$defs/"
_APIMACHINERY = "io.k8s.apimachinery.pkg."
_GROUP_PREFIXES = {
    "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
}
# Where the published schema and Kubernetes' own Go types differ.
_ANY = frozenset(("JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray"))
_OPAQUE = frozenset(("RawExtension", "FieldsV1", "Patch"))

Raw = dict[str, Any]


class SchemaNode:
    """One node of a schema: what may stand at one place of an object.

    `name` is the definition's short name (`Container`), empty for a node written in place. `type` is
    object, array, string, integer, number, boolean, or "" where anything may stand.
    """

    __slots__ = (
        "_additional",
        "_items",
        "_properties",
        "_raw",
        "_target",
        "definition",
        "format",
        "list_map_keys",
        "list_type",
        "map_type",
        "name",
        "patch_merge_key",
        "patch_strategy",
        "preserve_unknown",
        "required",
        "type",
    )

    def __init__(self, raw: Raw) -> None:
        """`raw` is as in the schema file; a `$ref` is followed, and what stands beside it belongs to the node."""
        reference = raw.get("$ref")
        self.definition: str = reference[len(_REF) :] if reference else ""
        self.name: str = self.definition.rpartition(".")[2]
        target: Raw = definitions()[self.definition] if reference else raw
        self._raw, self._target = raw, target
        kind = target.get("type", "")
        self.type: str = kind if isinstance(kind, str) else next((one for one in kind if one != "null"), "")
        self.format: str = target.get("format", "")
        self.required: frozenset[str] = frozenset(target.get("required") or ())
        self.list_type: str = raw.get("x-kubernetes-list-type", "")
        self.list_map_keys: tuple[str, ...] = tuple(raw.get("x-kubernetes-list-map-keys") or ())
        self.map_type: str = raw.get("x-kubernetes-map-type") or target.get("x-kubernetes-map-type", "")
        self.patch_strategy: frozenset[str] = frozenset(
            strategy for strategy in raw.get("x-kubernetes-patch-strategy", "").split(",") if strategy
        )
        self.patch_merge_key: str = raw.get("x-kubernetes-patch-merge-key", "")
        self.preserve_unknown: bool = bool(target.get("x-kubernetes-preserve-unknown-fields")) or (
            self.definition != "" and self.name in _OPAQUE
        )
        self._properties: dict[str, SchemaNode] | None = None
        self._items: SchemaNode | None = None
        self._additional: SchemaNode | None = None

    def __repr__(self) -> str:
        return f"SchemaNode({self.name or self.type or 'any'})"

    @property
    def properties(self) -> dict[str, SchemaNode]:
        """By field name; empty for what is no object with known fields."""
        if self._properties is None:
            raw = self._target.get("properties") or {}
            self._properties = {name: _node_of(prop) for name, prop in raw.items()}
        return self._properties

    @property
    def items(self) -> SchemaNode | None:
        """What a list holds."""
        if self._items is None and isinstance(self._target.get("items"), dict):
            self._items = _node_of(self._target["items"])
        return self._items

    @property
    def additional(self) -> SchemaNode | None:
        """What a map holds; None for what is no map."""
        if self._additional is None and isinstance(self._target.get("additionalProperties"), dict):
            self._additional = _node_of(self._target["additionalProperties"])
        return self._additional

    @property
    def is_map(self) -> bool:
        return isinstance(self._target.get("additionalProperties"), dict)

    @property
    def is_any(self) -> bool:
        """Whether anything may stand here."""
        return self.type == "" and not self.is_quantity and not self.is_int_or_string

    @property
    def is_quantity(self) -> bool:
        return self.definition == _APIMACHINERY + "api.resource.Quantity"

    @property
    def is_int_or_string(self) -> bool:
        return self.definition == _APIMACHINERY + "util.intstr.IntOrString" or bool(
            self._target.get("x-kubernetes-int-or-string")
        )

    @property
    def default(self) -> Any:
        """What a field is that is not given, where the schema itself says it; None where it does not."""
        return self._raw.get("default", self._target.get("default"))

    @property
    def description(self) -> str:
        return str(self._raw.get("description") or self._target.get("description") or "")

    def at(self, *path: str) -> SchemaNode | None:
        """The node at a path of fields; a list or map is walked into with `*`."""
        node: SchemaNode | None = self
        for part in path:
            if node is None:
                return None
            node = (node.items or node.additional) if part == "*" else node.properties.get(part) or node.additional
        return node


# Many fields point to one definition with nothing of their own: they share its node.
@cache
def definition(name: str) -> SchemaNode:
    """The node of a definition, by its full name: io.k8s.api.core.v1.Pod. KeyError where there is none."""
    definitions()[name]
    return SchemaNode({"$ref": _REF + name})


def _node_of(raw: Raw) -> SchemaNode:
    reference = raw.get("$ref")
    if reference and all(key in ("$ref", "description") for key in raw):
        return definition(reference[len(_REF) :])
    return SchemaNode(raw)


@lru_cache(maxsize=1)
def definitions() -> dict[str, Raw]:
    """Every definition as the schema file has it, by full name. Read-only by contract."""
    spec = importlib.util.find_spec(_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        path = Path(folder, _FILE)
        if path.is_file():
            document: dict[str, dict[str, Raw]] = orjson.loads(path.read_bytes())
            return document["$defs"]
    raise ConfigError(f"no {_FILE} in the package {_PACKAGE}: reinstall kubernetes-validate>=1.36")


def definition_name(resource: Resource, kind: str = "") -> str:
    """The full name of the definition of a resource's kind, or of another kind of its group and version."""
    prefix = _GROUP_PREFIXES.get(resource.group) or f"io.k8s.api.{resource.group.partition('.')[0] or 'core'}"
    return f"{prefix}.{resource.version}.{kind or resource.kind}"


@cache
def _by_kind(resource: Resource) -> SchemaNode:
    return definition(definition_name(resource))


def of(resource: Resource) -> SchemaNode:
    """The schema of a resource's objects. KeyError for a resource without one."""
    if resource.definition is not None:
        return resource.definition.node
    return _by_kind(resource)


def from_openapi(raw: Raw) -> SchemaNode:
    """The node of a structural schema as a CustomResourceDefinition carries it."""
    return SchemaNode(raw)
