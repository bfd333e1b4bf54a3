"""The taint eviction controller: keys are pods; a tainted node enqueues its pods."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, is_deleting, key_of, name_of
from kube_actors.api.resources import NODES, PODS
from kube_actors.controllers.base import Context, Controller, On
from kube_actors.controllers.indexes import NODE, ON_NODE
from kube_actors.controllers.node_lifecycle.eviction import cancellation, leaves_at, plan_eviction
from kube_actors.controllers.node_lifecycle.taints import NO_EXECUTE, taints_of


def _evicting(node: Obj) -> list[Obj]:
    return [each for each in taints_of(node) if each.get("effect") == NO_EXECUTE]


class TaintEvictionController(Controller):
    """Deletes pods that do not tolerate their node's NoExecute taints, each when its tolerationSeconds are over."""

    name = "taint-eviction-controller"
    event_source = "taint-eviction-controller"
    workers = 8

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = self.informer(NODES)
        self.pods = self.informer(PODS, ON_NODE)
        # Pods that have a time to leave, to tell when that is called off.
        self._leaving: set[str] = set()
        self.nodes.add_handler(On(self._node_changed, self._node_updated, lambda node: None))
        self.pods.add_handler(On(self._pod_changed, self._pod_updated, self._pod_gone))

    def _node_updated(self, old: Obj, new: Obj) -> None:
        if _evicting(old) != _evicting(new):
            self._node_changed(new)

    def _node_changed(self, node: Obj) -> None:
        pods = list(self.pods.by_index(NODE, name_of(node)))
        for pod in pods:
            if _evicting(node) or key_of(pod) in self._leaving:
                self.enqueue(pod)

    def _pod_changed(self, pod: Obj) -> None:
        node = self.nodes.get(get_path(pod, "spec", "nodeName", default=""))
        if node is not None and _evicting(node):
            self.enqueue(pod)

    def _pod_updated(self, old: Obj, new: Obj) -> None:
        if any(old["spec"].get(field) != new["spec"].get(field) for field in ("nodeName", "tolerations")):
            self._pod_changed(new)

    def _pod_gone(self, pod: Obj) -> None:
        self._leaving.discard(key_of(pod))

    async def sync(self, key: str) -> None:
        pod = self.pods.get(key)
        if pod is None or is_deleting(pod):
            self._leaving.discard(key)
            return
        node = self.nodes.get(get_path(pod, "spec", "nodeName", default=""))
        now = self.clock.now()
        at = leaves_at(pod, _evicting(node), now) if node is not None else None
        if at is None:
            if key in self._leaving:
                self._leaving.discard(key)
                await self.perform(key, [cancellation(pod)])
            return
        self._leaving.add(key)
        if at > now:
            self.queue.add_after(key, at - now)
            return
        report = await self.perform(key, plan_eviction(pod, now))
        report.raise_error()
