"""Tables from printers: which columns a kind has and what stands in them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.resources import Resource
from kube_actors.api.tables.durations import duration_human

NAME_DESCRIPTION = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow "
    "a client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
CREATED_DESCRIPTION = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a Table; those with a priority above 0 are shown with `-o wide` only."""

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
            "description": self.description,
            "priority": self.priority,
        }


@dataclass(frozen=True, slots=True)
class Printer:
    """How one kind is printed; `cells` gives one cell a column."""

    columns: tuple[Column, ...]
    cells: Callable[[Obj, float], list[Any]]


# group -> the module with its kinds' printers
_MODULES: dict[str, str] = {}


def age(obj: Obj, now: float) -> str:
    """Time since creation, as the AGE column shows it."""
    return since(obj["metadata"].get("creationTimestamp"), now)


def since(stamp: str | None, now: float) -> str:
    """Time since a timestamp; `<unknown>` for none."""
    return duration_human(now - parse_rfc3339(stamp)) if stamp else "<unknown>"


def _generic_cells(obj: Obj, now: float) -> list[Any]:
    return [obj["metadata"].get("name", ""), obj["metadata"].get("creationTimestamp")]


_GENERIC = Printer(
    (Column("Name", NAME_DESCRIPTION, format="name"), Column("Created At", CREATED_DESCRIPTION, type="date")),
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


def table_columns(resource: Resource) -> list[Obj]:
    """The columnDefinitions of a resource's Table."""
    columns = printer(resource.group, resource.version, resource.kind).columns
    return [column.as_json() for column in columns]


def table_row(resource: Resource, obj: Obj, now: float) -> list[Any]:
    """The cells of one object's row; `now` in seconds since the epoch gives its age."""
    return printer(resource.group, resource.version, resource.kind).cells(obj, now)


def table(resource: Resource, objects: Iterable[Obj], now: float) -> Obj:
    """A Table with one row an object and no objects in them."""
    cells = printer(resource.group, resource.version, resource.kind).cells
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": table_columns(resource),
        "rows": [{"cells": cells(obj, now)} for obj in objects],
    }
