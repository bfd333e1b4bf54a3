"""A structural schema: the tree of a version's openAPIV3Schema, read once.

Kubernetes: k8s.io/apiextensions-apiserver/pkg/apiserver/schema. `metadata`, `apiVersion` and `kind` of the root and of
embedded resources are implicit: they are no properties here unless the schema restricts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Raw = dict[str, Any]
MISSING: Any = object()
TYPE_META = ("apiVersion", "kind", "metadata")


@dataclass(frozen=True, slots=True, eq=False)
class Structural:
    """One node: what may stand at one place. `type` is empty where the schema does not restrict it."""

    raw: Raw = field(repr=False)
    """The JSONSchemaProps as they are in the CRD."""
    type: str
    format: str
    properties: Mapping[str, Structural]
    items: Structural | None
    """What an array holds."""
    additional: Structural | None
    """What a map holds (additionalProperties), None where it is no map or may hold anything."""
    nullable: bool
    default: Any
    """`MISSING` for none; a value is not to be changed."""
    preserve_unknown: bool
    embedded: bool
    int_or_string: bool
    list_type: str
    """`set`, `map` or `atomic`; atomic where the schema says nothing."""
    list_map_keys: tuple[str, ...]
    map_type: str
    """`granular` or `atomic`; granular where the schema says nothing."""
    has_defaults: bool
    """Whether this node or one below has a default."""
    has_rules: bool
    """Whether this node or one below has x-kubernetes-validations."""

    @property
    def rules(self) -> list[Raw]:
        """x-kubernetes-validations."""
        return self.raw.get("x-kubernetes-validations") or []


def structural(raw: Raw) -> Structural:
    """The tree of a schema, which need not be valid: what has the wrong shape counts as absent."""
    properties = {
        name: structural(one) for name, one in _mapping(raw.get("properties")).items() if _mapping(one) is one
    }
    items = _optional(raw.get("items"))
    additional = _optional(raw.get("additionalProperties"))
    below = [*properties.values(), *(one for one in (items, additional) if one is not None)]
    default = raw.get("default", MISSING)
    return Structural(
        raw=raw,
        type=raw.get("type") or "",
        format=raw.get("format") or "",
        properties=properties,
        items=items,
        additional=additional,
        nullable=bool(raw.get("nullable")),
        default=MISSING if default is None and not raw.get("nullable") else default,
        preserve_unknown=bool(raw.get("x-kubernetes-preserve-unknown-fields")),
        embedded=bool(raw.get("x-kubernetes-embedded-resource")),
        int_or_string=bool(raw.get("x-kubernetes-int-or-string")),
        list_type=raw.get("x-kubernetes-list-type") or "atomic",
        list_map_keys=tuple(raw.get("x-kubernetes-list-map-keys") or ()),
        map_type=raw.get("x-kubernetes-map-type") or "granular",
        has_defaults=default is not MISSING or any(one.has_defaults for one in below),
        has_rules=bool(raw.get("x-kubernetes-validations")) or any(one.has_rules for one in below),
    )


def _mapping(value: Any) -> Raw:
    return value if isinstance(value, dict) else {}


def _optional(value: Any) -> Structural | None:
    return structural(value) if isinstance(value, dict) else None
