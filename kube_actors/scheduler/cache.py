"""What the scheduler knows of nodes and bound pods, with pods that it has placed but not yet seen bound.

    +--------+  assume   +---------+   the informer shows it bound   +-------+
    | absent | --------> | assumed | ------------------------------> | bound |
    +--------+           +---------+                                 +-------+
      ^    ^                |   forget (the API server refused)        |   ^ |
      |    +----------------+                                          |   +-+ changed
      |                        deleted, or finished                    |
      +----------------------------------------------------------------+

An assumed pod takes its node's resources from the moment it is planned. Where the informer shows another
node than the assumed one, the informer is right. A deleted pod is gone in either state.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, labels_of, name_of
from kube_actors.scheduler.columns.nodes import Nodes
from kube_actors.scheduler.framework import ClusterEvent
from kube_actors.scheduler.planner import Placement
from kube_actors.scheduler.pod import Pod

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Tracked:
    pod: Pod
    node: str
    assumed: bool


class Cache:
    """`nodes` are the columns that plans are made on."""

    def __init__(self) -> None:
        self.nodes = Nodes()
        self._pods: dict[str, _Tracked] = {}

    def __len__(self) -> int:
        """Pods that take resources."""
        return len(self._pods)

    def is_assumed(self, key: str) -> bool:
        found = self._pods.get(key)
        return found is not None and found.assumed

    def node_of(self, key: str) -> str:
        """The node of a pod, assumed or bound; empty where it is absent."""
        found = self._pods.get(key)
        return found.node if found else ""

    def assume(self, placement: Placement) -> None:
        """A planned pod. The plan has subtracted it from the columns already."""
        if placement.pod.key in self._pods:
            raise ValueError(f"pod {placement.pod.name} was placed already")
        self._pods[placement.pod.key] = _Tracked(placement.pod, placement.node, True)

    def forget(self, key: str) -> None:
        """A placement that came to nothing. Ignored where the informer knows better by now."""
        if self.is_assumed(key):
            self._remove(key)

    def put_pod(self, pod: Pod) -> bool:
        """The informer shows a pod bound: whether what it took before was something else."""
        known = self._pods.get(pod.key)
        if known is not None:
            if known.node == pod.node and known.pod.shape is pod.shape:
                self._pods[pod.key] = _Tracked(pod, pod.node, False)
                return False
            if known.node != pod.node:
                log.warning("pod is bound elsewhere", pod=pod.name, assumed=known.node, node=pod.node)
            self._remove(pod.key)
        self.nodes.add_pod(pod.node, pod.shape)
        self._pods[pod.key] = _Tracked(pod, pod.node, False)
        return known is not None

    def remove_pod(self, key: str) -> bool:
        """The informer shows a pod deleted or finished: whether it took anything."""
        if key not in self._pods:
            return False
        self._remove(key)
        return True

    def rebuild(self, nodes: Iterable[Obj]) -> None:
        """Compute the columns anew from `nodes` and from the pods that are tracked."""
        self.nodes = Nodes()
        for node in nodes:
            self.nodes.set_node(node)
        for tracked in self._pods.values():
            self.nodes.add_pod(tracked.node, tracked.pod.shape)

    def put_node(self, old: Obj | None, new: Obj) -> ClusterEvent:
        """A node came or changed: what pods that wait may hope for."""
        event = ClusterEvent.NODE_ADD if old is None else node_change(old, new)
        # Most changes of nodes are signs of life, which must not cost all evaluations.
        if event or (old is not None and _differs(old, new, "status", "images")):
            self.nodes.set_node(new)
        return event

    def remove_node(self, node: Obj) -> None:
        self.nodes.remove_node(name_of(node))

    def _remove(self, key: str) -> None:
        tracked = self._pods.pop(key)
        self.nodes.remove_pod(tracked.node, tracked.pod.shape)


def node_change(old: Obj, new: Obj) -> ClusterEvent:
    """Which parts of a node changed that matter."""
    change = ClusterEvent.NONE
    if _differs(old, new, "status", "allocatable"):
        change |= ClusterEvent.NODE_ALLOCATABLE
    if labels_of(old) != labels_of(new):
        change |= ClusterEvent.NODE_LABEL
    if _differs(old, new, "spec", "taints") or _differs(old, new, "spec", "unschedulable"):
        change |= ClusterEvent.NODE_TAINT
    return change


def _differs(old: Obj, new: Obj, *path: str) -> bool:
    return bool(get_path(old, *path) != get_path(new, *path))
