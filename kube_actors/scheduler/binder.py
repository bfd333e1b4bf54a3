"""Binds placed pods: batches of one turn in one call, a few calls at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from kube_actors.aio.tasks import Tasks
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.meta import name_of, namespace_of, uid_of
from kube_actors.client.interface import Client
from kube_actors.client.types import Binding
from kube_actors.scheduler.planner import Placement

# Calls under way at once: the API server handles one while another is on its way.
TOGETHER = 4

# What became of a placement: None is success.
Outcome = Callable[[Placement, KubeActorsError | None], None]


class Binder:
    """`bind` waits for its turn, so a slow API server slows planning down. Every placement gets its outcome."""

    def __init__(self, client: Client, outcome: Outcome) -> None:
        self._client, self._outcome = client, outcome
        self._turns = asyncio.Semaphore(TOGETHER)
        self._tasks = Tasks("scheduler-binder")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def bind(self, placements: Sequence[Placement]) -> None:
        await self._turns.acquire()
        self._tasks.spawn(self._bind(placements), "bind")

    async def _bind(self, placements: Sequence[Placement]) -> None:
        try:
            results: Sequence[KubeActorsError | None] = await self._client.bind(
                [
                    Binding(namespace_of(each.pod.obj), name_of(each.pod.obj), uid_of(each.pod.obj), each.node)
                    for each in placements
                ]
            )
        except KubeActorsError as error:
            results = [error] * len(placements)
        finally:
            self._turns.release()
        for placement, result in zip(placements, results, strict=True):
            self._outcome(placement, result)
