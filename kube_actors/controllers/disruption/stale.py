"""Pods that were marked to be disrupted and were not: the mark goes after two minutes."""

from __future__ import annotations

from kube_actors.aio.clock import parse_rfc3339, rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import condition, is_deleting
from kube_actors.api.resources import PODS
from kube_actors.controllers.actions import Requeue, UpdateStatus
from kube_actors.controllers.base import Context, Controller, On
from kube_actors.controllers.node_lifecycle.eviction import DISRUPTION
from kube_actors.controllers.pods import is_terminal

STALE_SECONDS = 120.0


def stale_at(pod: Obj) -> float | None:
    """When the mark is to go; None for a pod without one, or one that is on its way out."""
    mark = condition(pod, DISRUPTION)
    if mark is None or mark.get("status") != "True" or is_deleting(pod) or is_terminal(pod):
        return None
    if mark.get("reason") == "TerminationByKubelet" or not mark.get("lastTransitionTime"):
        return None
    return parse_rfc3339(mark["lastTransitionTime"]) + STALE_SECONDS


def plan(pod: Obj, now: float) -> list[UpdateStatus | Requeue]:
    """Turn the condition False, or come back when it is time."""
    at = stale_at(pod)
    if at is None:
        return []
    if at > now:
        return [Requeue(at - now)]
    changed = [
        each | {"status": "False", "lastTransitionTime": rfc3339(now)} if each.get("type") == DISRUPTION else each
        for each in pod["status"]["conditions"]
    ]
    return [UpdateStatus(PODS, pod | {"status": pod["status"] | {"conditions": changed}})]


class StaleDisruptionController(Controller):
    """Keys are pods with the mark."""

    name = "stale-disruption"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pods = self.informer(PODS)
        self.pods.add_handler(On(self._changed, lambda old, new: self._changed(new), lambda pod: None))

    def _changed(self, pod: Obj) -> None:
        if stale_at(pod) is not None:
            self.enqueue(pod)

    async def sync(self, key: str) -> None:
        pod = self.pods.get(key)
        if pod is not None:
            (await self.perform(key, plan(pod, self.clock.now()))).raise_error()
