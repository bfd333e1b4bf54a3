"""NodeName: a pod that names its node runs there or nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.scheduler.columns.arrays import Rows
from kube_actors.scheduler.columns.nodes import NAME_LABEL, Nodes
from kube_actors.scheduler.framework import ClusterEvent, Rejection, Scope
from kube_actors.scheduler.shape import Shape

REASON = "node(s) didn't match the requested node name"


class NodeName:
    name = "NodeName"
    scope = Scope.NODE
    events = ClusterEvent.NODE_ADD

    def filter(self, shape: Shape, nodes: Nodes, rows: Rows) -> Sequence[Rejection]:
        if not shape.node_name:
            return ()
        others = ~nodes.names_column.match_values(NAME_LABEL, (shape.node_name,), rows)
        return (Rejection(REASON, others, others),)
