"""NodeResourcesFit: what a pod asks for must be free; the score prefers nodes of which less is taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kube_actors.scheduler.columns.arrays import Ints, Rows
from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.framework import MAX_SCORE, ClusterEvent, Normalize, Rejection, Scope
from kube_actors.scheduler.shape import PODS, Shape

TOO_MANY_PODS = "Too many pods"
# cpu and memory, as the rows of the matrices have them.
SCORED = slice(0, 2)


class NodeResourcesFit:
    name = "NodeResourcesFit"
    scope = Scope.ROW
    events = ClusterEvent.NODE_ADD | ClusterEvent.NODE_ALLOCATABLE | ClusterEvent.POD_GONE
    normalize = Normalize.NO

    def filter(self, shape: Shape, nodes: Nodes, rows: Rows) -> Sequence[Rejection]:
        resources = nodes.resources
        rejections = []
        # The pods first, then the others in the order in which the pod names them.
        for name in (PODS, *(name for name in shape.requests if name != PODS)):
            request = shape.requests[name]
            if request <= 0:
                continue
            index = resources.index(name)
            allocatable = resources.allocatable[index, rows]
            short = allocatable - resources.requested[index, rows] < request
            if not short.any():
                continue
            if name == PODS:
                rejections.append(Rejection(TOO_MANY_PODS, short, np.zeros(short.shape, np.bool_)))
            else:
                rejections.append(Rejection(f"Insufficient {name}", short, allocatable < request))
        return rejections

    def score(self, shape: Shape, nodes: Nodes, rows: Rows) -> Ints | None:
        """LeastAllocated over CPU and memory: the mean of what would stay free, in hundredths."""
        resources = nodes.resources
        allocatable = resources.allocatable[SCORED, rows]
        asked = np.array([[shape.nonzero_cpu], [shape.nonzero_memory]], np.int64)
        free = allocatable - resources.nonzero[:, rows] - asked
        parts = np.maximum(free, 0) * MAX_SCORE // np.maximum(allocatable, 1)
        known = (allocatable > 0).sum(axis=0)
        score: Ints = parts.sum(axis=0) // np.maximum(known, 1)
        return score
