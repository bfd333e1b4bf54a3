"""Pods that nobody else would remove: of nodes that are gone, of the past, terminating before they had a node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kube_actors.api import Obj
from kube_actors.api.errors import NotFound
from kube_actors.api.meta import get_path, is_deleting, is_true, key_of, name_of, namespace_of, uid_of
from kube_actors.api.resources import NODES, PODS
from kube_actors.controllers.actions import Action, DeleteObject
from kube_actors.controllers.base import Context, Controller
from kube_actors.controllers.node_lifecycle.eviction import mark_disrupted
from kube_actors.controllers.node_lifecycle.taints import taints_of
from kube_actors.controllers.pods import is_terminal

PERIOD = 20.0
# A node may be created a moment after a pod that names it, as the cache shows them.
QUARANTINE = 40.0
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"


class Reason(NamedTuple):
    reason: str
    message: str


NODE_GONE = Reason("DeletionByPodGC", "PodGC: node no longer exists")
NODE_OUT_OF_SERVICE = Reason("DeletionByPodGC", "PodGC: node is out of service")


def node_of(pod: Obj) -> str:
    return str(get_path(pod, "spec", "nodeName", default=""))


def surplus_terminated(pods: Iterable[Obj], threshold: int) -> list[Obj]:
    """Finished pods beyond the threshold, the oldest first."""
    finished = [pod for pod in pods if is_terminal(pod)]
    finished.sort(key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", name_of(pod)))
    return finished[: max(len(finished) - threshold, 0)] if threshold > 0 else []


def unscheduled_terminating(pods: Iterable[Obj]) -> list[Obj]:
    """Being deleted, with no node whose agent would finish it."""
    return [pod for pod in pods if is_deleting(pod) and not node_of(pod)]


def out_of_service(pods: Iterable[Obj], nodes: Mapping[str, Obj]) -> list[Obj]:
    """Being deleted on a node that is down and that an administrator has marked as such."""
    down = {
        name
        for name, node in nodes.items()
        if not is_true(node, "Ready") and any(each.get("key") == OUT_OF_SERVICE for each in taints_of(node))
    }
    return [pod for pod in pods if is_deleting(pod) and node_of(pod) in down]


def plan_removal(pod: Obj, why: Reason | None, now: float) -> Sequence[Action]:
    """Delete without grace: no agent is there to wait for. One that did not finish has failed."""
    removal = DeleteObject(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod), grace_seconds=0)
    if is_terminal(pod):
        return (removal,)
    reason = why or Reason("DeletionByPodGC", "PodGC: unscheduled pod is terminating")
    return (*mark_disrupted(pod, *reason, now, phase="Failed"), removal)


class PodGCController(Controller):
    """Looks every 20 seconds; keys are pods that have to go."""

    name = "pod-garbage-collector"
    workers = 4

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pods = self.informer(PODS)
        self.nodes = self.informer(NODES)
        # Nodes that pods name and that do not exist, and since when.
        self._missing: dict[str, float] = {}
        self._why: dict[str, Reason | None] = {}

    async def run(self) -> None:
        await self.every(PERIOD, self.look)

    async def look(self) -> None:
        """One round: enqueue what has to go."""
        pods = self.pods.list()
        nodes = {name_of(node): node for node in self.nodes.list()}
        for pod in surplus_terminated(pods, self.context.config.terminated_pod_gc_threshold):
            self._remove(pod, None)
        for pod in out_of_service(pods, nodes):
            self._remove(pod, NODE_OUT_OF_SERVICE)
        for pod in unscheduled_terminating(pods):
            self._remove(pod, None)
        gone = await self._gone_nodes({node_of(pod) for pod in pods} - {""} - nodes.keys())
        for pod in pods:
            if node_of(pod) in gone:
                self._remove(pod, NODE_GONE)

    def _remove(self, pod: Obj, why: Reason | None) -> None:
        self._why[key_of(pod)] = why
        self.enqueue(pod)

    async def _gone_nodes(self, missing: set[str]) -> set[str]:
        """Those that are missing for the quarantine's time, and that a live read does not find."""
        now = self.clock.now()
        self._missing = {name: self._missing.get(name, now) for name in missing}
        gone: set[str] = set()
        for name, since in self._missing.items():
            if now - since >= QUARANTINE and not await self._exists(name):
                gone.add(name)
        return gone

    async def _exists(self, node: str) -> bool:
        try:
            await self.client.get(NODES, node)
        except NotFound:
            return False
        return True

    async def sync(self, key: str) -> None:
        pod = self.pods.get(key)
        why = self._why.pop(key, None)
        if pod is not None:
            (await self.perform(key, plan_removal(pod, why, self.clock.now()))).raise_error()
