"""Columns for what nodes carry by name: taints, host ports, images, labels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

import numpy as np

from kube_actors.scheduler.columns.arrays import Bools, Ints, Rows, grown, one_more

K = TypeVar("K", bound=Hashable)


class CountColumns(Generic[K]):
    """How often each node has each of a few distinct keys: `counts[id of the key, row]`."""

    def __init__(self, capacity: int) -> None:
        self.keys: dict[K, int] = {}
        self.counts: Ints = np.zeros((0, capacity), np.int64)

    def grow(self, capacity: int) -> None:
        self.counts = grown(self.counts, capacity)

    def index(self, key: K) -> int:
        found = self.keys.get(key)
        if found is None:
            found = self.keys[key] = len(self.keys)
            self.counts = one_more(self.counts)
        return found

    def add(self, key: K, rows: Rows | int, amount: int) -> None:
        # First the index, which may replace the array by a longer one.
        index = self.index(key)
        self.counts[index, rows] += amount

    def replace(self, row: int, values: Mapping[K, int]) -> None:
        """What the node has of each key, and nothing else."""
        for key in values:
            self.index(key)
        self.counts[:, row] = 0
        for key, value in values.items():
            self.counts[self.keys[key], row] = value

    def any_of(self, keys: Iterable[K], rows: Rows) -> Bools | None:
        """Which nodes have at least one of `keys`; None where no node ever had one."""
        ids = [self.keys[key] for key in keys if key in self.keys]
        if not ids:
            return None
        found: Bools = np.any(self.counts[ids][:, rows] > 0, axis=0)
        return found


class LabelColumns:
    """Value ids of labels by node: -1 where a node lacks the label. A column exists once it was asked for."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._labels: dict[int, Mapping[str, str]] = {}
        self._columns: dict[str, Ints] = {}
        self._values: dict[str, dict[str, int]] = {}

    def grow(self, capacity: int) -> None:
        self._capacity = capacity
        self._columns = {key: grown(column, capacity, -1) for key, column in self._columns.items()}

    def replace(self, row: int, labels: Mapping[str, str]) -> None:
        self._labels[row] = labels
        for key, column in self._columns.items():
            column[row] = self._id(key, labels.get(key))

    def remove(self, row: int) -> None:
        self.replace(row, {})
        del self._labels[row]

    def match(self, key: str, matches: Callable[[str | None], bool], rows: Rows) -> Bools:
        """For which nodes `matches(value)` holds; it is called once for each distinct value and for None."""
        column = self._column(key)
        # The last entry is for -1, the nodes without the label.
        table = np.fromiter((matches(value) for value in (*self._values[key], None)), np.bool_)
        return table[column[rows]]

    def match_values(self, key: str, values: Iterable[str], rows: Rows) -> Bools:
        """Which nodes have one of `values`. Cheaper than `match` for a label with a value a node."""
        column = self._column(key)
        ids = self._values[key]
        table = np.zeros(len(ids) + 1, np.bool_)
        table[[ids[value] for value in values if value in ids]] = True
        return table[column[rows]]

    def _column(self, key: str) -> Ints:
        found = self._columns.get(key)
        if found is None:
            self._values[key] = {}
            found = self._columns[key] = np.full(self._capacity, -1, np.int64)
            for row, labels in self._labels.items():
                found[row] = self._id(key, labels.get(key))
        return found

    def _id(self, key: str, value: str | None) -> int:
        if value is None:
            return -1
        values = self._values[key]
        return values.setdefault(value, len(values))
