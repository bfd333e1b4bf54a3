"""The annotation by which nodes know how long they may remember Secrets and ConfigMaps: longer in big clusters."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, name_of
from kube_actors.api.resources import NODES
from kube_actors.controllers.actions import PatchObject
from kube_actors.controllers.base import Context, Controller, On

ANNOTATION = "node.alpha.kubernetes.io/ttl"
# (up to so many nodes, as it grows; down to so many, as it shrinks; seconds). The overlap keeps it from flapping.
STEPS = ((100, 0, 0), (500, 90, 15), (1000, 450, 30), (2000, 900, 60), (10_000, 1800, 300))


def step_for(present: int, nodes: int) -> int:
    """The index into STEPS for a number of nodes, given the present one."""
    while present + 1 < len(STEPS) and nodes > STEPS[present][0]:
        present += 1
    while present > 0 and nodes < STEPS[present][1]:
        present -= 1
    return present


def plan(node: Obj, seconds: int) -> list[PatchObject]:
    if annotations_of(node).get(ANNOTATION) == str(seconds):
        return []
    return [PatchObject(NODES, "", name_of(node), {"metadata": {"annotations": {ANNOTATION: str(seconds)}}})]


class NodeTTLController(Controller):
    """Keys are nodes."""

    name = "ttl"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = self.informer(NODES)
        self._step = 0
        self.nodes.add_handler(On(self._counted, lambda old, new: self.enqueue(new), self._counted))

    def _counted(self, node: Obj) -> None:
        self.enqueue(node)
        step = step_for(self._step, len(self.nodes))
        if step != self._step:
            self._step = step
            for each in self.nodes.list():
                self.enqueue(each)

    async def sync(self, key: str) -> None:
        node = self.nodes.get(key)
        if node is not None:
            (await self.perform(key, plan(node, STEPS[self._step][2]))).raise_error()
