"""NodeUnschedulable: cordoned nodes take no pods but those that tolerate it."""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.scheduler.columns.arrays import Rows
from kube_actors.scheduler.columns.nodes import Nodes, Taint
from kube_actors.scheduler.framework import ClusterEvent, Rejection, Scope
from kube_actors.scheduler.plugins.tolerations import NO_SCHEDULE, tolerated
from kube_actors.scheduler.shape import Shape

REASON = "node(s) were unschedulable"
CORDONED: Taint = ("node.kubernetes.io/unschedulable", "", NO_SCHEDULE)


class NodeUnschedulable:
    name = "NodeUnschedulable"
    scope = Scope.NODE
    events = ClusterEvent.NODE_ADD | ClusterEvent.NODE_TAINT

    def filter(self, shape: Shape, nodes: Nodes, rows: Rows) -> Sequence[Rejection]:
        cordoned = nodes.unschedulable[rows]
        if not cordoned.any() or tolerated(shape.tolerations, CORDONED):
            return ()
        return (Rejection(REASON, cordoned, cordoned),)
