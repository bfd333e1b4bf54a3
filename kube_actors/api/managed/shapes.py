"""What a schema says about ownership: a Shape for each place of an object.

Built from `SchemaNode`s when somebody walks there, so that custom resources need nothing of their own.
Kubernetes: k8s.io/kube-openapi/pkg/schemaconv, and structured-merge-diff's schema of the deduced type.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import cache
from typing import Any

import orjson

from kube_actors.api.resources import Resource
from kube_actors.api.schema import SchemaNode, definition
from kube_actors.api.schema import of as schema_of


class Kind(Enum):
    SCALAR = "scalar"
    MAP = "map"
    LIST = "list"
    # Whatever the value is, decides: maps are merged, lists are one value.
    ANY = "any"


class Shape:
    """One place of an object. `atomic`: who changes a part of it owns all of it.

    `scalar` is string, numeric, boolean or untyped. Items of a list that is not atomic are told apart by `keys`,
    or where there are none by their values.
    """

    __slots__ = (
        "_defaults",
        "_element",
        "_node",
        "atomic",
        "fixed",
        "holds_leaves",
        "is_leaf",
        "keys",
        "kind",
        "known",
        "scalar",
    )

    def __init__(self, kind: Kind, node: SchemaNode | None = None, *, atomic: bool = False, scalar: str = "") -> None:
        self.kind = kind
        self.atomic = atomic
        self.scalar = scalar
        self.keys: tuple[str, ...] = ()
        # Fields of which nothing but the shape is known, as those of an object's root.
        self.fixed: dict[str, Shape] = {}
        self.is_leaf = atomic or kind is Kind.SCALAR
        # A map whose values have no parts.
        self.holds_leaves = False
        self._node = node
        # What `child` found so far of the fields that the schema names.
        self.known: dict[str, tuple[str, Shape]] = {}
        self._element: Shape | None = None
        self._defaults: dict[str, Any] | None = None

    def child(self, name: str) -> tuple[str, Shape] | None:
        """The path element and the shape of a field; None for a field that the schema does not have."""
        found = self.known.get(name)
        if found is None:
            shape = self.field(name)
            if shape is not None:
                found = self.known[name] = (f"f:{name}", shape)
            elif self.element is not None:
                found = (f"f:{name}", self.element)
        return found

    def field(self, name: str) -> Shape | None:
        """The shape of a field that the schema names; keys of maps are no such fields."""
        if name in self.fixed:
            return self.fixed[name]
        node = None if self._node is None else self._node.properties.get(name)
        return None if node is None else of_node(node)

    @property
    def element(self) -> Shape | None:
        """What a list or map holds; None for a map with named fields only."""
        if self._element is None:
            self._element = self._element_shape()
        return self._element

    def _element_shape(self) -> Shape | None:
        node = self._node
        if self.kind is Kind.ANY or node is None:
            return ANY
        inner = node.items if self.kind is Kind.LIST else node.additional
        if inner is not None:
            return of_node(inner)
        free = node.preserve_unknown or (not node.properties and not node.is_map) or self.kind is Kind.LIST
        return ANY if free else None

    def item_key(self, item: Any) -> str:
        """The path element of an item of a list that is not atomic. Raises ValueError in Kubernetes' words."""
        if not self.keys:
            return _value_key(item)
        if item is None:
            raise ValueError("associative list with keys may not have a null element")
        if not isinstance(item, dict):
            raise ValueError("associative list with keys may not have non-map elements")
        if self._defaults is None:
            self._defaults = self._key_defaults()
        if len(self.keys) == 1:
            value = item.get(self.keys[0])
            if value.__class__ is str and _PLAIN_TEXT.fullmatch(value):
                return f'k:{{"{self.keys[0]}":"{value}"}}'
        pairs: dict[str, Any] = {}
        for name in self.keys:
            if name in item:
                pairs[name] = item[name]
            elif name in self._defaults:
                pairs[name] = self._defaults[name]
        if not pairs:
            shown = " ".join(f'"{name}"' for name in self.keys)
            text = f"associative list with keys has an element that omits all key fields [{shown}]"
            raise ValueError(f"{text} (and doesn't have default values for any key fields)")
        return "k:" + _json(pairs)

    def _key_defaults(self) -> dict[str, Any]:
        """What a key is that an item does not give: fields that Go always writes have the zero of their type."""
        items = self._node.items if self._node is not None else None
        found: dict[str, Any] = {}
        for name in self.keys:
            node = items.properties.get(name) if items is not None else None
            if items is None or node is None:
                continue
            default = node.default
            if default is None and name == "protocol":
                default = "TCP"
            if default is None and (name in items.required or items.name == "LocalObjectReference"):
                default = {"string": "", "integer": 0, "boolean": False}.get(node.type)
            if default is not None:
                found[name] = default
        return found


# What JSON writes as it is.
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9_./:-]+")
ANY = Shape(Kind.ANY)
_SCALARS = {"string": "string", "integer": "numeric", "number": "numeric", "boolean": "boolean"}
_PLAIN = {name: Shape(Kind.SCALAR, scalar=name) for name in ("string", "numeric", "boolean", "untyped")}
_by_definition: dict[str, Shape] = {}


def of_node(node: SchemaNode) -> Shape:
    """The shape of a schema's node."""
    if node.is_quantity or node.is_int_or_string:
        return _PLAIN["untyped"]
    if node.type in _SCALARS:
        return _PLAIN[_SCALARS[node.type]]
    if node.type == "array":
        return _list(node)
    if node.is_any or (node.preserve_unknown and not node.properties and not node.is_map):
        return ANY
    atomic = node.map_type == "atomic"
    if node.is_map and node.additional is not None and not node.properties and not atomic:
        shape = Shape(Kind.MAP, node)
        shape.holds_leaves = of_node(node.additional).is_leaf
        return shape
    # Most nodes of a definition are the same; those with a map type of their own are not.
    if not node.definition or atomic:
        return Shape(Kind.MAP, node, atomic=atomic)
    found = _by_definition.get(node.definition)
    if found is None:
        found = _by_definition[node.definition] = Shape(Kind.MAP, node)
    return found


def _list(node: SchemaNode) -> Shape:
    merges = "merge" in node.patch_strategy
    if node.list_type == "map":
        keys = node.list_map_keys
    elif node.list_type == "set" or (not node.list_type and merges and not node.patch_merge_key):
        keys = ()
    elif not node.list_type and merges:
        keys = (node.patch_merge_key,)
    else:
        return Shape(Kind.LIST, node, atomic=True)
    shape = Shape(Kind.LIST, node)
    shape.keys = keys
    return shape


def _value_key(item: Any) -> str:
    if isinstance(item, dict):
        raise ValueError("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise ValueError("not supported: associative list with lists as elements")
    if item is None:
        raise ValueError("associative list without keys has an element that's an explicit null")
    return "v:" + _json(item)


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError as error:
        raise ValueError(f"a key that is no JSON: {error}") from None


@cache
def _of_builtin(resource: Resource) -> Shape:
    return of_node(schema_of(resource))


def of(resource: Resource, node: SchemaNode | None = None) -> Shape:
    """The shape of a resource's objects; `node` is the schema of a custom one, None where nothing is known of it."""
    if not resource.custom:
        return _of_builtin(resource)
    shape = Shape(Kind.MAP, node)
    metadata = of_node(definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"))
    text = _PLAIN["string"]
    shape.fixed = {"apiVersion": text, "kind": text, "metadata": metadata}
    return shape
