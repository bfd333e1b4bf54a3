"""Tables from printers: which columns a kind has and what stands in them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj, schema
from kube_actors.api.resources import Resource
from kube_actors.api.tables.durations import duration_human

_META = "=meta.ObjectMeta"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a Table; those with a priority above 0 are shown with `-o wide` only.

    A description `=apps.DeploymentSpec.selector` is that field's own, from the schema.
    """

    name: str
    description: str = ""
    type: str = "string"
    format: str = ""
    priority: int = 0

    def as_json(self) -> Obj:
        """A TableColumnDefinition."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": _described(self.description),
            "priority": self.priority,
        }


_MACHINERY = "io.k8s.apimachinery.pkg.apis.meta.v1"


def _described(text: str) -> str:
    if not text.startswith("="):
        return text
    group, definition, field = text[1:].split(".")
    group, _, version = group.partition("/")
    prefix = _MACHINERY if group == "meta" else f"io.k8s.api.{group}.{version or 'v1'}"
    return str(schema.definitions()[f"{prefix}.{definition}"]["properties"][field].get("description", ""))


NAME = Column("Name", f"{_META}.name", format="name")
AGE = Column("Age", f"{_META}.creationTimestamp")


@dataclass(frozen=True, slots=True)
class Printer:
    """How one kind is printed; `cells` gives one cell a column."""

    columns: tuple[Column, ...]
    cells: Callable[[Obj, float], list[Any]]
    # Conditions of a row: kubectl shows completed pods apart.
    conditions: Callable[[Obj], list[Obj]] | None = None


# group -> the module with its kinds' printers, imported when the first Table of the group is asked for.
_MODULES = {
    "": "core",
    "admissionregistration.k8s.io": "others",
    "apiregistration.k8s.io": "others",
    "apps": "workloads",
    "autoscaling": "scaling",
    "batch": "workloads",
    "certificates.k8s.io": "others",
    "coordination.k8s.io": "others",
    "discovery.k8s.io": "network",
    "events.k8s.io": "core",
    "flowcontrol.apiserver.k8s.io": "others",
    "networking.k8s.io": "network",
    "node.k8s.io": "others",
    "policy": "scaling",
    "rbac.authorization.k8s.io": "others",
    "resource.k8s.io": "others",
    "scheduling.k8s.io": "others",
    "storage.k8s.io": "storage",
}


def age(obj: Obj, now: float) -> str:
    """Time since creation, as the AGE column shows it."""
    return since(obj["metadata"].get("creationTimestamp"), now)


def since(stamp: str | None, now: float) -> str:
    """Time since a timestamp; `<unknown>` for none."""
    return duration_human(now - parse_rfc3339(stamp)) if stamp else "<unknown>"


def _generic_cells(obj: Obj, now: float) -> list[Any]:
    return [obj["metadata"].get("name", ""), obj["metadata"].get("creationTimestamp")]


_GENERIC = Printer(
    (NAME, Column("Created At", f"{_META}.creationTimestamp", type="date")),
    _generic_cells,
)


@cache
def printer(group: str, version: str, kind: str) -> Printer:
    """How a kind is printed; Name and Created At for one without a printer of its own."""
    module_name = _MODULES.get(group)
    if module_name is None:
        return _GENERIC
    module = importlib.import_module(f"kube_actors.api.tables.{module_name}")
    table_of: dict[str, Printer] = module.PRINTERS
    return table_of.get(f"{version}.{kind}") or table_of.get(kind) or _GENERIC


def printer_of(resource: Resource) -> Printer:
    """How a resource's objects are printed."""
    if resource.definition is not None:
        return resource.definition.printer
    return printer(resource.group, resource.version, resource.kind)


def table_columns(resource: Resource) -> list[Obj]:
    """The columnDefinitions of a resource's Table."""
    columns = printer_of(resource).columns
    return [column.as_json() for column in columns]


def table_row(resource: Resource, obj: Obj, now: float) -> list[Any]:
    """The cells of one object's row; `now` in seconds since the epoch gives its age."""
    return printer_of(resource).cells(obj, now)


def table_row_conditions(resource: Resource, obj: Obj) -> list[Obj]:
    """The TableRowConditions of one object's row: none but for pods that have finished."""
    conditions = printer_of(resource).conditions
    return conditions(obj) if conditions is not None else []
