"""Cells that several kinds have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_actors.api import Obj
from kube_actors.api.selectors import LabelSelector
from kube_actors.api.tables.engine import AGE, NAME, Column, Printer, age

NONE = "<none>"
UNSET = "<unset>"
UNKNOWN = "<unknown>"

CONTAINERS = Column("Containers", "Names of each container in the template.", priority=1)
IMAGES = Column("Images", "Images referenced by each container in the template.", priority=1)


def wide(name: str, description: str) -> Column:
    """A column for `-o wide` only."""
    return Column(name, description, priority=1)


def name_of(obj: Obj) -> str:
    return str(obj["metadata"].get("name", ""))


def labels(values: dict[str, str] | None) -> str:
    """`a=b,c=d`, sorted."""
    return ",".join(f"{key}={value}" for key, value in sorted((values or {}).items())) or NONE


def selector(value: Obj | None) -> str:
    """A LabelSelector object in the notation of queries."""
    try:
        return str(LabelSelector.from_object(value)) or NONE
    except ValueError:
        return "<invalid>"


def containers(template: Obj | None) -> tuple[str, str]:
    """The names and the images of a template's containers."""
    items = ((template or {}).get("spec") or {}).get("containers") or ()
    return ",".join(item.get("name", "") for item in items), ",".join(item.get("image", "") for item in items)


def boolean(value: bool | None) -> str:
    """`true`, `false`, or `<unset>`."""
    return UNSET if value is None else "true" if value else "false"


def named(*middle: tuple[Column, Callable[[Obj], Any]]) -> Printer:
    """A printer with a name, columns of one field each, and an age."""
    readers = [read for _, read in middle]

    def cells(obj: Obj, now: float) -> list[Any]:
        return [name_of(obj), *(read(obj) for read in readers), age(obj, now)]

    return Printer((NAME, *(column for column, _ in middle), AGE), cells)
