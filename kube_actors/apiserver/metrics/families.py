"""Metrics with labels, and how they are written down."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator

Values = tuple[str, ...]
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Counter:
    """Counts by the values of its labels."""

    def __init__(self, name: str, text: str, labels: Values) -> None:
        self.name, self.text, self.labels = name, text, labels
        self.values: dict[Values, float] = {}

    def add(self, values: Values, amount: float = 1) -> None:
        self.values[values] = self.values.get(values, 0) + amount

    def lines(self) -> Iterator[str]:
        return family(self.name, "counter", self.text, self.labels, self.values.items())


class Histogram:
    """Measurements by the values of its labels, counted in buckets by their upper bounds."""

    def __init__(self, name: str, text: str, labels: Values, bounds: tuple[float, ...]) -> None:
        self.name, self.text, self.labels, self.bounds = name, text, labels, bounds
        # One count a bucket, those above all bounds, the sum.
        self.values: dict[Values, list[float]] = {}

    def add(self, values: Values, amount: float) -> None:
        counts = self.values.get(values)
        if counts is None:
            counts = self.values[values] = [0.0] * (len(self.bounds) + 2)
        counts[bisect.bisect_left(self.bounds, amount)] += 1
        counts[-1] += amount

    def lines(self, name: str = "", text: str = "") -> Iterator[str]:
        """The same under another name, where one is given."""
        name = name or self.name
        yield from head(name, "histogram", text or self.text)
        for values, counts in self.values.items():
            labels = label_text(self.labels, values)
            comma = "," if labels else ""
            total = 0.0
            for bound, count in zip((*(f"{bound:g}" for bound in self.bounds), "+Inf"), counts, strict=False):
                total += count
                yield f'{name}_bucket{{{labels}{comma}le="{bound}"}} {number(total)}'
            yield f"{name}_sum{{{labels}}} {number(counts[-1])}"
            yield f"{name}_count{{{labels}}} {number(total)}"


def family(name: str, kind: str, text: str, labels: Values, rows: Iterable[tuple[Values, float]]) -> Iterator[str]:
    """A whole family: its description and one line a row."""
    yield from head(name, kind, text)
    for values, value in rows:
        yield f"{name}{{{label_text(labels, values)}}} {number(value)}" if labels else f"{name} {number(value)}"


def head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def label_text(labels: Values, values: Values) -> str:
    return ",".join(f'{label}="{value.translate(_ESCAPED)}"' for label, value in zip(labels, values, strict=True))


def number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))
