"""TaintToleration: nodes repel pods that do not tolerate their taints; soft taints only cost score."""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.scheduler.columns.arrays import Ints, Rows
from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.framework import ClusterEvent, Normalize, Rejection, Scope
from kube_actors.scheduler.plugins.tolerations import NO_EXECUTE, NO_SCHEDULE, PREFER_NO_SCHEDULE, tolerated
from kube_actors.scheduler.shape import Shape

# Since Kubernetes 1.35 without the taint itself, which the owner of the pod may not be allowed to know.
REASON = "node(s) had untolerated taint(s)"


class TaintToleration:
    name = "TaintToleration"
    scope = Scope.NODE
    events = ClusterEvent.NODE_ADD | ClusterEvent.NODE_TAINT
    normalize = Normalize.DOWN

    def filter(self, shape: Shape, nodes: Nodes, rows: Rows) -> Sequence[Rejection]:
        hard = [
            taint
            for taint in nodes.taints.keys
            if taint[2] in (NO_SCHEDULE, NO_EXECUTE) and not tolerated(shape.tolerations, taint)
        ]
        repelled = nodes.taints.any_of(hard, rows)
        return () if repelled is None else (Rejection(REASON, repelled, repelled),)

    def score(self, shape: Shape, nodes: Nodes, rows: Rows) -> Ints | None:
        """How many soft taints of the node are not tolerated."""
        tolerations = [each for each in shape.tolerations if each.get("effect") in (None, "", PREFER_NO_SCHEDULE)]
        soft = [
            index
            for taint, index in nodes.taints.keys.items()
            if taint[2] == PREFER_NO_SCHEDULE and not tolerated(tolerations, taint)
        ]
        if not soft:
            return None
        counts: Ints = nodes.taints.counts[soft][:, rows].sum(axis=0)
        return counts
