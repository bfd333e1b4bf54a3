"""additionalPrinterColumns: the columns and cells of a custom resource's Table.

Kubernetes: k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_actors.api import Obj
from kube_actors.api.crd import jsonpath
from kube_actors.api.gotext import go_json
from kube_actors.api.tables.engine import AGE, NAME, Column, Printer, age, since


def printer(columns: list[Obj]) -> Printer:
    """The name, and what the CRD says; the age where it says nothing."""
    if not columns:
        return Printer((NAME, AGE), lambda obj, now: [obj["metadata"].get("name", ""), age(obj, now)])
    cells = [_cell(column) for column in columns]
    shown = tuple(
        Column(
            column["name"],
            column.get("description")
            or f"Custom resource definition column (in JSONPath format): {column['jsonPath']}",
            column["type"],
            column.get("format", ""),
            column.get("priority", 0),
        )
        for column in columns
    )
    return Printer(
        (NAME, *shown), lambda obj, now: [obj["metadata"].get("name", ""), *(cell(obj, now) for cell in cells)]
    )


def _cell(column: Obj) -> Callable[[Obj, float], Any]:
    kind = column["type"]
    try:
        path = jsonpath.parse(column["jsonPath"])
    except ValueError:
        return lambda obj, now: None

    def cell(obj: Obj, now: float) -> Any:
        found = path.find(obj)
        if not found or found[0] is None:
            return None
        return _shown(kind, found, now)

    return cell


def _shown(kind: str, found: list[Any], now: float) -> Any:
    value = found[0]
    if kind == "integer":
        return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if kind == "number":
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "date":
        try:
            return since(value, now) if isinstance(value, str) else "<invalid>"
        except ValueError:
            return "<invalid>"
    return " ".join(_text(one) for one in found)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else go_json(value)
