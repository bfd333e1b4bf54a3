"""NodeResourcesBalancedAllocation: prefer nodes whose CPU and memory the pod brings nearer to each other."""

from __future__ import annotations

import numpy as np

from kube_actors.scheduler.columns.arrays import Floats, Ints, Rows
from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.framework import MAX_SCORE, Normalize, Scope
from kube_actors.scheduler.shape import CPU, MEMORY, Shape

SCORED = slice(0, 2)
HALF = MAX_SCORE // 2


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"
    scope = Scope.ROW
    normalize = Normalize.NO

    def score(self, shape: Shape, nodes: Nodes, rows: Rows) -> Ints | None:
        """50 where the pod changes nothing, more where the node becomes more even, less where less."""
        # A pod that asks for nothing would always go where the balance is best already.
        if shape.best_effort:
            return None
        resources = nodes.resources
        allocatable = resources.allocatable[SCORED, rows]
        requested = resources.requested[SCORED, rows]
        asked = np.array([[shape.requests.get(CPU, 0)], [shape.requests.get(MEMORY, 0)]], np.int64)
        gain = _balance(requested + asked, allocatable) - _balance(requested, allocatable)
        # Towards zero, as Go divides.
        halved = np.trunc((HALF + gain) / 2).astype(np.int64)
        score: Ints = HALF + halved
        return score


def _balance(requested: Ints, allocatable: Ints) -> Ints:
    """100 where the same fraction of CPU and memory is taken, less the more they differ.

    Of two numbers the standard deviation is half their difference; of one it is zero.
    """
    fractions: Floats = np.minimum(requested / np.maximum(allocatable, 1), 1.0)
    both = (allocatable > 0).all(axis=0)
    deviation = np.where(both, np.abs(fractions[0] - fractions[1]) / 2, 0.0)
    balance: Ints = ((1.0 - deviation) * MAX_SCORE).astype(np.int64)
    return balance
