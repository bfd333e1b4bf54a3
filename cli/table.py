"""Tables as kubectl prints the server's Table: columns of their content's width, three blanks apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kube_actors.api import Obj

# Go's tabwriter as kubectl sets it: cells of at least 6, padded by 3.
MIN_WIDTH, PADDING = 6, 3


def aligned(rows: Sequence[Sequence[str]], widths: Sequence[int] = ()) -> list[str]:
    """Lines of columns; the last column is not padded. `widths` are minima, as those of an earlier table."""
    sizes = column_widths(rows, widths)
    return ["".join(_cells(row, sizes)).rstrip("\n") for row in rows]


def column_widths(rows: Sequence[Sequence[str]], minima: Sequence[int] = ()) -> list[int]:
    """The width of each column, its padding included."""
    count = max((len(row) for row in rows), default=0)
    sizes = [0] * count
    for row in rows:
        for index, cell in enumerate(row[:-1]):
            sizes[index] = max(sizes[index], len(cell) + PADDING, MIN_WIDTH)
    for index, minimum in enumerate(minima[:count]):
        sizes[index] = max(sizes[index], minimum)
    return sizes


def _cells(row: Sequence[str], sizes: Sequence[int]) -> list[str]:
    return [*(cell.ljust(size) for cell, size in zip(row[:-1], sizes, strict=False)), *row[-1:]]


def rows_of(
    tables: Sequence[Obj], *, wide: bool, namespaces: bool, kind: str = "", labels: bool = False, header: bool = True
) -> list[list[str]]:
    """The rows to print of a resource's Tables (one a page), its header first.

    `namespaces` puts a NAMESPACE column first; `kind` goes before each name as `kind/name`.
    """
    if not tables:
        return []
    columns = tables[0]["columnDefinitions"]
    shown = [index for index, column in enumerate(columns) if wide or not column.get("priority")]
    first = ["NAMESPACE"] if namespaces else []
    last = ["LABELS"] if labels else []
    rows = [[*first, *(columns[index]["name"].upper() for index in shown), *last]] if header else []
    for table in tables:
        rows += [_row(row, shown, namespaces, kind, labels) for row in table.get("rows") or ()]
    return rows


def _row(row: Obj, shown: Sequence[int], namespaces: bool, kind: str, labels: bool) -> list[str]:
    metadata = (row.get("object") or {}).get("metadata") or {}
    cells = [cell_text(row["cells"][index]) for index in shown]
    if kind and cells:
        cells[0] = f"{kind}/{cells[0]}"
    if namespaces:
        cells.insert(0, metadata.get("namespace") or "")
    if labels:
        pairs = sorted((metadata.get("labels") or {}).items())
        cells.append(",".join(f"{key}={value}" for key, value in pairs) or "<none>")
    return cells


def cell_text(value: Any) -> str:
    """A cell as Go prints it."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + " ".join(map(cell_text, value)) + "]"
    return str(value).replace("\n", "\\n")
