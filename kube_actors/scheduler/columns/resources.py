"""What nodes have and what pods ask of them: matrices [resource, node]."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kube_actors.scheduler.columns.arrays import Ints, Rows, grown, one_more
from kube_actors.scheduler.shape import CPU, EPHEMERAL_STORAGE, MEMORY, PODS, Shape

# Rows of the matrices that always exist; others come as pods or nodes name them.
BASE = (CPU, MEMORY, EPHEMERAL_STORAGE, PODS)
# Vectors of shapes that are remembered; a cluster has as many shapes as it has pod templates.
VECTORS = 8192


class Resources:
    """CPU in thousandths, everything else in whole units."""

    def __init__(self, capacity: int) -> None:
        self.names: list[str] = list(BASE)
        self._index = {name: i for i, name in enumerate(BASE)}
        self.allocatable: Ints = np.zeros((len(BASE), capacity), np.int64)
        self.requested: Ints = np.zeros((len(BASE), capacity), np.int64)
        # CPU and memory with a minimum for containers that ask for nothing: what LeastAllocated looks at.
        self.nonzero: Ints = np.zeros((2, capacity), np.int64)
        self._vectors: dict[Shape, Ints] = {}

    def grow(self, capacity: int) -> None:
        self.allocatable = grown(self.allocatable, capacity)
        self.requested = grown(self.requested, capacity)
        self.nonzero = grown(self.nonzero, capacity)

    def index(self, name: str) -> int:
        """The row of a resource; a new row where it is new."""
        found = self._index.get(name)
        if found is None:
            found = self._index[name] = len(self.names)
            self.names.append(name)
            self.allocatable = one_more(self.allocatable)
            self.requested = one_more(self.requested)
            self._vectors.clear()
        return found

    def vector(self, shape: Shape) -> Ints:
        """What a pod of that shape asks for, by resource."""
        known = self._vectors.get(shape)
        if known is None:
            indexes = [self.index(name) for name in shape.requests]
            known = np.zeros(len(self.names), np.int64)
            known[indexes] = list(shape.requests.values())
            if len(self._vectors) >= VECTORS:
                self._vectors.clear()
            self._vectors[shape] = known
        return known

    def set_allocatable(self, row: int, amounts: Mapping[str, int]) -> None:
        indexes = [self.index(name) for name in amounts]
        self.allocatable[:, row] = 0
        self.allocatable[indexes, row] = list(amounts.values())

    def add(self, rows: Rows, shape: Shape, sign: int) -> None:
        """Pods of that shape came to (sign 1) or left (-1) these nodes, one each."""
        vector = self.vector(shape)[:, None]
        nonzero = np.array([[shape.nonzero_cpu], [shape.nonzero_memory]], np.int64)
        self.requested[:, rows] += sign * vector
        self.nonzero[:, rows] += sign * nonzero

    def add_one(self, row: int, shape: Shape, sign: int) -> None:
        """The same for one node."""
        # First the vector, which may replace the matrix by a longer one.
        vector = self.vector(shape)
        self.requested[:, row] += sign * vector
        self.nonzero[0, row] += sign * shape.nonzero_cpu
        self.nonzero[1, row] += sign * shape.nonzero_memory

    def clear(self, row: int) -> None:
        """The node is gone; what pods on it ask for stays."""
        self.allocatable[:, row] = 0
