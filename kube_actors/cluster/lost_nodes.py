"""Nodes whose machine has left Ray are removed, as a cloud's controller removes those whose machine was deleted.

A node agent notes on its Node on which of Ray's hosts it runs. Once Ray has not had that host for a while, and the
node is not ready either, the Node is deleted; the garbage collector does the rest. A Node without that note
(of another kubelet, or of a cluster without Ray) is nobody's business here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError, NotFound
from kube_actors.api.meta import annotations_of, is_true, name_of, uid_of
from kube_actors.api.resources import NODES
from kube_actors.client.interface import Client
from kube_actors.cluster.hosts import Absences

log = structlog.get_logger(__name__)

# The address of the Ray node on which the agent of a Node runs.
RAY_HOST = "kube-actors.io/ray-host"
PERIOD = 5.0
# Ray takes its own time to call a node dead; this is for one that has just come back under a new id.
LOST_SECONDS = 10.0


def lost(nodes: Iterable[Obj], present: Iterable[str], absences: Absences, now: float) -> list[Obj]:
    """The Nodes to delete. `present`: the addresses of Ray's hosts."""
    noted = {name_of(node): annotations_of(node).get(RAY_HOST, "") for node in nodes}
    away = absences.longer_than(LOST_SECONDS, filter(None, noted.values()), present, now)
    return [node for node in nodes if noted[name_of(node)] in away and not is_true(node, "Ready")]


class LostNodes:
    """The component. `hosts` asks Ray, which may take its time and may fail while Ray recovers."""

    def __init__(self, client: Client, hosts: Callable[[], Iterable[str]], clock: Clock | None = None) -> None:
        self._client, self._hosts, self._clock = client, hosts, clock or SystemClock()
        self._absences = Absences()
        self._tasks = Tasks("lost-nodes")

    async def start(self) -> None:
        self._tasks.spawn_forever(self._run(), "look")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(PERIOD)
            try:
                await self.look()
            except (KubeActorsError, RuntimeError, OSError) as error:
                log.info("cannot compare nodes with Ray's hosts", error=" ".join(str(error).split()))

    async def look(self) -> None:
        """One comparison."""
        present = await asyncio.to_thread(lambda: list(self._hosts()))
        nodes = (await self._client.list(NODES)).items
        for node in lost(nodes, present, self._absences, self._clock.now()):
            log.warning("node removed: its machine has left Ray", node=name_of(node))
            try:
                await self._client.delete(NODES, name_of(node), uid=uid_of(node))
            except NotFound:
                continue
