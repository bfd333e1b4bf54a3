"""The scheduler: informers fill cache and queue, one loop plans, the binder binds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import ApiError, Conflict, KubeActorsError, NotFound
from kube_actors.api.meta import is_deleting
from kube_actors.api.resources import NODES, PODS
from kube_actors.client.events import NORMAL, WARNING, EventRecorder
from kube_actors.client.informer import Informer
from kube_actors.client.interface import Client
from kube_actors.client.leader import LeaderElector
from kube_actors.client.series import SeriesCorrelator
from kube_actors.scheduler.binder import Binder
from kube_actors.scheduler.cache import Cache
from kube_actors.scheduler.conditions import SCHEDULER_ERROR, UNSCHEDULABLE, ConditionWriter
from kube_actors.scheduler.evaluation import Evaluations
from kube_actors.scheduler.framework import ClusterEvent, Profile
from kube_actors.scheduler.planner import Failure, Placement, plan
from kube_actors.scheduler.plugins.registry import default_profile
from kube_actors.scheduler.pod import Pod, is_finished, pod_key, read_pod
from kube_actors.scheduler.prebind import PreBinder
from kube_actors.scheduler.queue import SchedulingQueue
from kube_actors.scheduler.volumes import Volumes

log = structlog.get_logger(__name__)

DEFAULT_NAME = "default-scheduler"
LEASE = "kube-scheduler"
# Pods planned in one go: large enough for shapes to come together, small enough not to hold up the loop.
BATCH = 256


@dataclass(slots=True)
class Stats:
    """Counters since the start."""

    scheduled: int = 0
    unschedulable: int = 0
    refused: int = 0
    errors: int = 0


class Scheduler:
    """Schedules the pods whose spec.schedulerName is `name`.

    Durable: nothing. After a restart nodes and pods are listed anew and what has no node is planned again;
    a binding that was under way either shows or is made again. With `identity` only the holder of the lease
    kube-system/kube-scheduler plans; the others keep their caches warm.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock | None = None,
        name: str = DEFAULT_NAME,
        *,
        identity: str = "",
        profile: Profile | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._name = name
        self._volumes = Volumes(client, self._clock, lambda: self.queue.notice(ClusterEvent.VOLUME))
        self._profile = profile or default_profile(self._volumes)
        self.cache = Cache()
        self.queue = SchedulingQueue(self._profile.admits)
        self.stats = Stats()
        self._evaluations = Evaluations()
        self._nodes = Informer(client, NODES, clock=self._clock)
        self._pods = Informer(client, PODS, clock=self._clock)
        self._recorder = EventRecorder(client, name, f"{name}-{socket.gethostname()}", self._clock, SeriesCorrelator())
        self._conditions = ConditionWriter(client, self._clock)
        self._binder = Binder(client, self._bound)
        self._prebinder = PreBinder(client, self._volumes, self._nodes.get, self._binder, self._bound, self._clock)
        self._elector = LeaderElector(client, LEASE, identity, clock=self._clock) if identity else None
        self._tasks = Tasks(name)
        # Pods still to be planned one by one, after a batch that could not be planned.
        self._careful = 0
        self._nodes.add_handler(_NodeHandler(self))
        self._pods.add_handler(_PodHandler(self))

    async def start(self) -> None:
        """Begin. Returns at once: the API server may still be away."""
        await self._recorder.start()
        await self._conditions.start()
        await self._nodes.start()
        await self._pods.start()
        await self._volumes.start()
        work = self._elector.run(self._schedule) if self._elector else self._schedule()
        self._tasks.spawn_forever(work, "schedule")

    async def stop(self) -> None:
        """Plan no more, then end what writes."""
        await self._tasks.stop()
        await self._prebinder.stop()
        await self._binder.stop()
        await self._conditions.stop()
        await self._recorder.stop()
        await self._volumes.stop()
        await self._pods.stop()
        await self._nodes.stop()

    async def synced(self) -> None:
        """Wait until nodes, pods and volumes are known."""
        await self._nodes.synced()
        await self._pods.synced()
        await self._volumes.synced()

    def responsible(self, pod: Obj) -> bool:
        return (pod["spec"].get("schedulerName") or DEFAULT_NAME) == self._name

    async def _schedule(self) -> None:
        await self.synced()
        log.info("scheduling", name=self._name, nodes=self.cache.nodes.count, pods=len(self.queue))
        while True:
            pods = self.queue.pop(1 if self._careful else BATCH, self._clock.now())
            if not pods:
                await self._wait()
                continue
            self._careful = max(self._careful - 1, 0)
            try:
                await self._cycle(pods)
            except Exception as error:  # noqa: BLE001  the boundary: one batch must not stop the scheduler
                self._broken(pods, error)
            # Informers and others have their turn between two batches.
            await asyncio.sleep(0)

    async def _cycle(self, pods: Sequence[Pod]) -> None:
        result = plan(self.cache.nodes, pods, self._profile, self._evaluations)
        for placement in result.placements:
            self.cache.assume(placement)
        for failure in result.failures:
            self._failed(failure)
        ready: list[Placement] = []
        for placement in result.placements:
            if placement.pod.shape.claims and self._volumes.unbound(placement.pod.shape):
                self._prebinder.start(placement)
            else:
                ready.append(placement)
        if not ready:
            return
        try:
            await self._binder.bind(ready)
        except asyncio.CancelledError:
            # The lease was lost before the call: nothing was sent.
            for placement in ready:
                self.cache.forget(placement.pod.key)
                self.queue.failed(placement.pod.key, self._clock.now())
            raise

    def _broken(self, pods: Sequence[Pod], error: Exception) -> None:
        """A bug, or an object that validation should not have let through.

        The columns are made anew, and the batch is tried again after its backoff, one pod at a time: then
        only the one that is at fault fails.
        """
        self.stats.errors += 1
        self._careful = len(pods) if len(pods) > 1 else 0
        log.error("cannot plan", pods=[pod.name for pod in pods[:10]], count=len(pods), exc_info=error)
        self.cache.rebuild(self._nodes.list())
        for pod in pods:
            if not self.cache.node_of(pod.key):
                self.queue.failed(pod.key, self._clock.now())

    async def _wait(self) -> None:
        """Until there is something to plan, or the time of the next backoff has come."""
        until = self.queue.wake_up_at()
        try:
            async with asyncio.timeout(None if until is None else max(until - self._clock.now(), 0.0)):
                await self.queue.ready.wait()
        except TimeoutError:
            return

    def _failed(self, failure: Failure) -> None:
        pod, diagnosis = failure.pod, failure.diagnosis
        self.stats.unschedulable += 1
        self.queue.unschedulable(pod.key, self._profile.events_of(diagnosis.plugins), self._clock.now())
        self._recorder.event(pod.obj, WARNING, "FailedScheduling", diagnosis.message, action="Scheduling")
        self._conditions.write(pod, UNSCHEDULABLE, diagnosis.message)

    def _bound(self, placement: Placement, error: KubeActorsError | None) -> None:
        """The outcome of a binding."""
        pod = placement.pod
        if error is None:
            self.stats.scheduled += 1
            self.queue.remove(pod.key)
            self._conditions.forget(pod.key)
            message = f"Successfully assigned {pod.name} to {placement.node}"
            self._recorder.event(pod.obj, NORMAL, "Scheduled", message, action="Binding")
            return
        self.stats.refused += 1
        self.cache.forget(pod.key)
        self.queue.notice(ClusterEvent.POD_GONE)
        log.info("binding refused", pod=pod.name, node=placement.node, error=str(error))
        if isinstance(error, NotFound):
            self.queue.remove(pod.key)
            return
        self.queue.failed(pod.key, self._clock.now())
        if isinstance(error, ApiError) and not isinstance(error, Conflict):
            message = f'binding rejected: running Bind plugin "DefaultBinder": {error}'
            self._recorder.event(pod.obj, WARNING, "FailedScheduling", message, action="Scheduling")
            self._conditions.write(pod, SCHEDULER_ERROR, message)

    def pod_changed(self, obj: Obj) -> None:
        """A pod came or changed."""
        if is_finished(obj):
            self.pod_gone(obj)
            return
        pod = read_pod(obj)
        if pod.node:
            self.queue.remove(pod.key)
            self._conditions.forget(pod.key)
            if self.cache.put_pod(pod):
                self.queue.notice(ClusterEvent.POD_GONE)
        elif self.responsible(obj) and not self.cache.is_assumed(pod.key):
            # One that is being deleted without having run is not worth a node.
            if is_deleting(obj):
                self.queue.remove(pod.key)
            else:
                self.queue.add(pod, self._clock.now())

    def pod_gone(self, obj: Obj) -> None:
        """A pod was deleted, or has finished."""
        key = pod_key(obj)
        self.queue.remove(key)
        self._conditions.forget(key)
        if self.cache.remove_pod(key):
            self.queue.notice(ClusterEvent.POD_GONE)

    def node_changed(self, old: Obj | None, new: Obj) -> None:
        self.queue.notice(self.cache.put_node(old, new))

    def node_gone(self, node: Obj) -> None:
        self.cache.remove_node(node)


class _NodeHandler:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def on_add(self, obj: Obj, is_initial: bool) -> None:
        self._scheduler.node_changed(None, obj)

    def on_update(self, old: Obj, new: Obj) -> None:
        self._scheduler.node_changed(old, new)

    def on_delete(self, obj: Obj) -> None:
        self._scheduler.node_gone(obj)


class _PodHandler:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def on_add(self, obj: Obj, is_initial: bool) -> None:
        self._scheduler.pod_changed(obj)

    def on_update(self, old: Obj, new: Obj) -> None:
        if pod_key(old) != pod_key(new):
            # Deleted and created again while the watch was away.
            self._scheduler.pod_gone(old)
        self._scheduler.pod_changed(new)

    def on_delete(self, obj: Obj) -> None:
        self._scheduler.pod_gone(obj)
