"""NodePorts: a host port of a protocol is given once on each host address; 0.0.0.0 is all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from kube_actors.scheduler.columns.arrays import Rows
from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.framework import ClusterEvent, Rejection, Scope
from kube_actors.scheduler.shape import ANY_IP, Port, Shape

REASON = "node(s) didn't have free ports for the requested pod ports"


class NodePorts:
    name = "NodePorts"
    scope = Scope.ROW
    events = ClusterEvent.NODE_ADD | ClusterEvent.POD_GONE

    def filter(self, shape: Shape, nodes: Nodes, rows: Rows) -> Sequence[Rejection]:
        if not shape.ports:
            return ()
        taken = nodes.ports.any_of(conflicts(shape.ports, nodes.ports.keys), rows)
        if taken is None:
            return ()
        return (Rejection(REASON, taken, np.zeros(taken.shape, np.bool_)),)


def conflicts(wanted: Iterable[Port], used: Iterable[Port]) -> list[Port]:
    """Those of `used` that leave no room for any of `wanted`."""
    wants = tuple(wanted)
    return [each for each in used if any(_conflict(each, want) for want in wants)]


def _conflict(used: Port, wanted: Port) -> bool:
    if used[1:] != wanted[1:]:
        return False
    return ANY_IP in (used[0], wanted[0]) or used[0] == wanted[0]
