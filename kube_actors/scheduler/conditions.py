"""Writes the PodScheduled condition of pods that could not be placed: bounded, the latest of each pod wins."""

from __future__ import annotations

import asyncio

import structlog

from kube_actors.aio.clock import Clock, rfc3339
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError, NotFound
from kube_actors.api.meta import condition, name_of, namespace_of
from kube_actors.api.resources import PODS
from kube_actors.client.interface import Client
from kube_actors.client.types import STRATEGIC_MERGE_PATCH
from kube_actors.scheduler.pod import Pod

log = structlog.get_logger(__name__)

TYPE = "PodScheduled"
UNSCHEDULABLE = "Unschedulable"
SCHEDULER_ERROR = "SchedulerError"
TOGETHER = 128
LIMIT = 20_000


def wanted(pod: Pod, reason: str, message: str, now: float) -> Obj | None:
    """The condition to write; None where the pod has it already."""
    present = condition(pod.obj, TYPE) or {}
    if (present.get("status"), present.get("reason"), present.get("message")) == ("False", reason, message):
        return None
    new: Obj = {"type": TYPE, "status": "False", "reason": reason, "message": message}
    since = present.get("lastTransitionTime") if present.get("status") == "False" else None
    generation = pod.obj["metadata"].get("generation")
    if generation is not None:
        new["observedGeneration"] = generation
    return new | {"lastTransitionTime": since or rfc3339(now)}


class ConditionWriter:
    """A queue of conditions and the task that writes them."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._waiting: dict[str, tuple[Pod, Obj]] = {}
        self._work = asyncio.Event()
        self._tasks = Tasks("scheduler-conditions")
        self.dropped = 0

    async def start(self) -> None:
        self._tasks.spawn_forever(self._run(), "write")

    async def stop(self) -> None:
        await self._tasks.stop()

    def write(self, pod: Pod, reason: str, message: str) -> None:
        """Say why the pod has no node. Never waits; a failure is logged, for the next attempt says it again."""
        new = wanted(pod, reason, message, self._clock.now())
        if new is None:
            return
        if len(self._waiting) >= LIMIT and pod.key not in self._waiting:
            self.dropped += 1
            return
        self._waiting[pod.key] = (pod, new)
        self._work.set()

    def forget(self, key: str) -> None:
        """The pod has a node now, or is gone."""
        self._waiting.pop(key, None)

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._waiting:
                keys = [key for key, _ in zip(self._waiting, range(TOGETHER), strict=False)]
                await asyncio.gather(*(self._write(*self._waiting.pop(key)) for key in keys))

    async def _write(self, pod: Pod, new: Obj) -> None:
        try:
            await self._client.patch(
                PODS,
                name_of(pod.obj),
                # The uid: a pod of the same name that came meanwhile is not meant.
                {"metadata": {"uid": pod.obj["metadata"].get("uid")}, "status": {"conditions": [new]}},
                namespace_of(pod.obj),
                type=STRATEGIC_MERGE_PATCH,
                subresource="status",
            )
        except NotFound:
            return
        except KubeActorsError as error:
            self.dropped += 1
            log.info("cannot write the condition", pod=pod.name, error=str(error))
