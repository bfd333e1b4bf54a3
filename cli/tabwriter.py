"""Go's text/tabwriter, as far as kubectl's describe needs it: elastic columns of tab-terminated cells."""

from __future__ import annotations

from collections.abc import Sequence


def align(lines: Sequence[str], padding: int = 2) -> list[str]:
    """Replace tabs by blanks so that cells of neighbouring lines stand in columns.

    A column is a run of lines that have a cell there which ends with a tab; a line without one ends it.
    """
    cells = [line.split("\t") for line in lines]
    widths: list[list[int]] = [[] for _ in cells]
    _column(cells, widths, 0, len(cells), 0, padding)
    return [
        "".join([*(cell.ljust(width) for cell, width in zip(row, sizes, strict=False)), row[-1]]).rstrip()
        for row, sizes in zip(cells, widths, strict=True)
    ]


def _column(
    cells: Sequence[Sequence[str]], widths: list[list[int]], start: int, end: int, column: int, padding: int
) -> None:
    line = start
    while line < end:
        if len(cells[line]) - 1 <= column:
            line += 1
            continue
        first = line
        while line < end and len(cells[line]) - 1 > column:
            line += 1
        # Go: a column of empty cells alone takes no room.
        longest = max(len(cells[index][column]) for index in range(first, line))
        width = longest + padding if longest else 0
        for index in range(first, line):
            widths[index].append(width)
        _column(cells, widths, first, line, column + 1, padding)
