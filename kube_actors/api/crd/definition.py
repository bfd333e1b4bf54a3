"""A CustomResourceDefinition object -> the resources that it makes a server serve."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kube_actors.api import Obj
from kube_actors.api.crd.memo import Memo
from kube_actors.api.crd.structural import Structural, structural
from kube_actors.api.meta import get_path
from kube_actors.api.resources import Resource
from kube_actors.api.schema import SchemaNode, from_openapi

if TYPE_CHECKING:
    from kube_actors.api.tables.engine import Printer

_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")
_STAGES = {"alpha": 0, "beta": 1, None: 2}


@dataclass(frozen=True, eq=False)
class Definition:
    """What all versions of a CRD share."""

    crd: Obj
    """The object; read-only by contract."""
    schemas: Mapping[str, Structural]
    """By version, those that are not served included."""
    converted: Memo = field(default_factory=Memo, repr=False)
    """What the conversion webhook has answered."""

    @property
    def storage_version(self) -> str:
        return next((one["name"] for one in self.crd["spec"]["versions"] if one.get("storage")), "")

    @property
    def terminating(self) -> bool:
        return bool(self.crd["metadata"].get("deletionTimestamp"))

    @property
    def webhook(self) -> Obj | None:
        """spec.conversion.webhook, None where conversion changes the apiVersion only."""
        conversion = self.crd["spec"].get("conversion") or {}
        return conversion.get("webhook") if conversion.get("strategy") == "Webhook" else None


@dataclass(frozen=True, eq=False)
class ServedVersion:
    """One version of a definition, as `Resource.definition` carries it. Two are equal when they are the same."""

    definition: Definition
    raw: Obj
    """The CustomResourceDefinitionVersion."""
    schema: Structural

    @cached_property
    def deprecation(self) -> str:
        """What clients of the version are warned of; empty for nothing."""
        if not self.raw.get("deprecated"):
            return ""
        spec = self.definition.crd["spec"]
        known = f"{spec['group']}/{self.raw['name']} {spec['names']['kind']} is deprecated"
        return str(self.raw.get("deprecationWarning") or f"{known}{self._newer()}")

    def _newer(self) -> str:
        """`; use example.com/v1 Thing`, where there is a version that is preferred and not deprecated."""
        spec = self.definition.crd["spec"]
        good = [one for one in spec["versions"] if one.get("served") and not one.get("deprecated")]
        best = min(good, key=_preference, default=None)
        if best is None or _preference(best) >= _preference(self.raw):
            return ""
        return f"; use {spec['group']}/{best['name']} {spec['names']['kind']}"

    @cached_property
    def scale(self) -> Obj | None:
        """The paths of the scale subresource, None where there is none."""
        scale: Obj | None = get_path(self.raw, "subresources", "scale")
        return scale

    @cached_property
    def selectable(self) -> tuple[str, ...]:
        """The paths of selectableFields, without the leading dot: `spec.colour`."""
        return tuple(one["jsonPath"].lstrip(".") for one in self.raw.get("selectableFields") or ())

    @cached_property
    def printer(self) -> Printer:
        """How objects are shown in Tables."""
        from kube_actors.api.crd import columns  # the printers of built-in kinds need this module

        return columns.printer(self.raw.get("additionalPrinterColumns") or [])

    @cached_property
    def node(self) -> SchemaNode:
        """The schema as `api.schema` has those of built-in kinds."""
        return from_openapi(self.openapi)

    @cached_property
    def openapi(self) -> dict[str, Any]:
        """The schema with what is implicit in it: apiVersion, kind and metadata."""
        raw = dict(self.schema.raw)
        string = {"type": "string"}
        metadata = {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
        implicit = {"apiVersion": string, "kind": string, "metadata": metadata}
        raw["properties"] = {**(raw.get("properties") or {}), **implicit}
        return raw


def definition_of(crd: Obj) -> Definition:
    """Read a CRD whose spec is valid."""
    schemas = {
        version["name"]: structural(get_path(version, "schema", "openAPIV3Schema", default={}))
        for version in crd["spec"]["versions"]
    }
    return Definition(crd, schemas)


def resources_of(definition: Definition) -> list[Resource]:
    """The served versions as resources, the preferred version first. Names are those that were accepted."""
    spec = definition.crd["spec"]
    names = get_path(definition.crd, "status", "acceptedNames", default={}) or spec["names"]
    served = [version for version in spec["versions"] if version.get("served")]
    return [_resource(definition, names, version) for version in sorted(served, key=_preference)]


def storage_resource(definition: Definition) -> Resource:
    """The version as which objects are stored, served or not."""
    spec = definition.crd["spec"]
    version = next(one for one in spec["versions"] if one.get("storage"))
    return _resource(definition, spec["names"], version)


def _resource(definition: Definition, names: Obj, version: Obj) -> Resource:
    spec = definition.crd["spec"]
    subresources = version.get("subresources") or {}
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(name for name in ("scale", "status") if subresources.get(name) is not None),
        custom=True,
        singular_name=names.get("singular") or "",
        list_kind_name=names.get("listKind") or "",
        definition=ServedVersion(definition, version, definition.schemas[version["name"]]),
    )


def _preference(version: Obj) -> tuple[Any, ...]:
    """Kubernetes' order of versions: v2, v1, v1beta2, v1beta1, v1alpha1, then others by name."""
    match = _VERSION.fullmatch(version["name"])
    if match is None:
        return 1, version["name"]
    return 0, -_STAGES[match[2]], -int(match[1]), -int(match[3] or 0)
