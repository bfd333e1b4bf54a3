"""All nodes as columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, labels_of, name_of
from kube_actors.api.pods import amounts_of
from kube_actors.scheduler.columns.arrays import Bools, Ints, Rows, grown
from kube_actors.scheduler.columns.interned import CountColumns, LabelColumns
from kube_actors.scheduler.columns.resources import Resources
from kube_actors.scheduler.shape import Port, Shape, image_name

FIRST_CAPACITY = 16
NAME_LABEL = "metadata.name"

# A taint as the plugins see it.
Taint = tuple[str, str, str]


class Nodes:
    """The columns, and which row is which node.

    A row is `valid` when its node exists. Pods may be bound to a node that is not known (yet, or no longer):
    such a row is kept, invalid, until node and pods are both gone.
    """

    def __init__(self) -> None:
        capacity = FIRST_CAPACITY
        self.resources = Resources(capacity)
        self.labels = LabelColumns(capacity)
        self.names_column = LabelColumns(capacity)
        self.taints: CountColumns[Taint] = CountColumns(capacity)
        self.ports: CountColumns[Port] = CountColumns(capacity)
        self.images: CountColumns[str] = CountColumns(capacity)
        # How many pods use a claim, wherever they are; `namespace/name`.
        self.claims: Counter[str] = Counter()
        self.valid: Bools = np.zeros(capacity, np.bool_)
        self.unschedulable: Bools = np.zeros(capacity, np.bool_)
        self.names: list[str] = []
        self._rows: dict[str, int] = {}
        self._free: list[int] = []
        self._capacity = capacity
        self.count = 0
        # `epoch` counts changes of nodes; `version` those of pods, and `changed` has each row's last one. By
        # these an evaluation knows what it has to compute again.
        self.epoch = 0
        self.version = 0
        self.changed: Ints = np.zeros(capacity, np.int64)

    @property
    def all(self) -> slice:
        """Every row that is or was a node; see `valid`."""
        return slice(0, len(self.names))

    def row(self, name: str) -> int | None:
        return self._rows.get(name)

    def set_node(self, node: Obj) -> None:
        """A node came or changed."""
        row = self._row_for(name_of(node))
        self.epoch += 1
        if not self.valid[row]:
            self.count += 1
        self.valid[row] = True
        self.unschedulable[row] = bool(get_path(node, "spec", "unschedulable", default=False))
        self.resources.set_allocatable(row, amounts_of(get_path(node, "status", "allocatable", default={})))
        self.labels.replace(row, labels_of(node))
        self.names_column.replace(row, {NAME_LABEL: name_of(node)})
        taints = get_path(node, "spec", "taints", default=())
        self.taints.replace(row, {taint_of(each): 1 for each in taints})
        self.images.replace(row, _images(node))

    def remove_node(self, name: str) -> None:
        row = self._rows.get(name)
        if row is None or not self.valid[row]:
            return
        self.count -= 1
        self.epoch += 1
        self.valid[row] = False
        self.resources.clear(row)
        self.labels.remove(row)
        self.names_column.remove(row)
        self.taints.replace(row, {})
        self.images.replace(row, {})
        self._release(row)

    def add_pods(self, rows: Rows, shape: Shape) -> None:
        """A pod of that shape came to each of these rows, which are distinct."""
        self._touch(rows)
        self.resources.add(rows, shape, 1)
        for port in shape.ports:
            self.ports.add(port, rows, 1)
        self._use(shape, self.valid[rows].size)

    def add_pod(self, node: str, shape: Shape) -> None:
        """A pod of that shape came to a node, known or not."""
        row = self._row_for(node)
        self._touch(row)
        self.resources.add_one(row, shape, 1)
        for port in shape.ports:
            self.ports.add(port, row, 1)
        self._use(shape, 1)

    def remove_pod(self, node: str, shape: Shape) -> None:
        """A pod that was added is gone."""
        row = self._rows[node]
        self._touch(row)
        self.resources.add_one(row, shape, -1)
        for port in shape.ports:
            self.ports.add(port, row, -1)
        self._use(shape, -1)
        if not self.valid[row]:
            self._release(row)

    def rows_changed_since(self, version: int) -> Ints:
        """Rows on which pods came or went after `version`."""
        return np.flatnonzero(self.changed[self.all] > version)

    def _use(self, shape: Shape, pods: int) -> None:
        for claim in shape.claims:
            self.claims[claim] += pods
            if not self.claims[claim]:
                del self.claims[claim]

    def _touch(self, rows: Rows | int) -> None:
        self.version += 1
        self.changed[rows] = self.version

    def _row_for(self, name: str) -> int:
        row = self._rows.get(name)
        if row is not None:
            return row
        self.epoch += 1
        if self._free:
            row = self._free.pop()
            self.names[row] = name
        else:
            row = len(self.names)
            self.names.append(name)
            if row >= self._capacity:
                self._grow(2 * self._capacity)
        self._rows[name] = row
        return row

    def _release(self, row: int) -> None:
        """Give a row back that has neither a node nor pods."""
        pods = self.resources.index("pods")
        if self.resources.requested[pods, row] == 0:
            del self._rows[self.names[row]]
            self.names[row] = ""
            self._free.append(row)

    def _grow(self, capacity: int) -> None:
        self._capacity = capacity
        for part in (self.resources, self.labels, self.names_column, self.taints, self.ports, self.images):
            part.grow(capacity)
        self.valid = grown(self.valid, capacity)
        self.unschedulable = grown(self.unschedulable, capacity)
        self.changed = grown(self.changed, capacity)


def taint_of(taint: Obj) -> Taint:
    return (taint.get("key", ""), taint.get("value") or "", taint.get("effect", ""))


def _images(node: Obj) -> dict[str, int]:
    """The size of each image on the node, by each of its names."""
    found: dict[str, int] = {}
    images: Iterable[Obj] = get_path(node, "status", "images", default=())
    for image in images:
        for name in image.get("names") or ():
            found[image_name(name)] = int(image.get("sizeBytes") or 0)
    return found
