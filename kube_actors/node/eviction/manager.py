"""The loop that watches the signals and evicts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.meta import key_of, uid_of
from kube_actors.node.containers.resources import BEST_EFFORT, qos_class
from kube_actors.node.eviction.ranking import Use, is_evictable, message, ranked
from kube_actors.node.eviction.signals import Signals
from kube_actors.node.eviction.storage import limits_containers, local_volumes, outgrown
from kube_actors.node.eviction.thresholds import CONDITIONS, RESOURCES, Threshold
from kube_actors.node.machine.disk import disk_use
from kube_actors.node.pods.actions import Failure
from kube_actors.node.runtime.interface import ContainerState, PodRecord, Runtime, RuntimeFailure
from kube_actors.node.status.pod_status import EVICTED

log = structlog.get_logger(__name__)

# kubelet's housekeeping interval.
PERIOD = 10.0


class EvictionManager:
    """`pods` gives the node's pods, `reclaim` frees disk without harm to any, `evict(pod, failure)` ends one,
    `changed` tells that a condition changed."""

    def __init__(
        self,
        thresholds: Sequence[Threshold],
        pressure_seconds: float,
        read: Callable[[], Signals],
        runtime: Runtime,
        pods: Callable[[], Iterable[Obj]],
        volumes: Callable[[str], Path],
        reclaim: Callable[[], Awaitable[None]],
        evict: Callable[[Obj, Failure], None],
        changed: Callable[[], None],
        clock: Clock,
        owner: str,
    ) -> None:
        self._thresholds, self._pressure_seconds = thresholds, pressure_seconds
        self._read, self._runtime = read, runtime
        self._pods, self._volumes = pods, volumes
        self._reclaim, self._evict, self._changed = reclaim, evict, changed
        self._clock = clock
        self._met_at: dict[str, float] = {}
        self._told: frozenset[str] = frozenset()
        self._tasks = Tasks(f"{owner}/eviction")

    def start(self) -> None:
        self._tasks.spawn_forever(self._run(), "evict")

    async def stop(self) -> None:
        await self._tasks.stop()

    @property
    def pressures(self) -> frozenset[str]:
        """The node conditions that hold: met now or not long ago, so that they do not come and go."""
        now = self._clock.now()
        return frozenset(kind for kind, at in self._met_at.items() if now - at < self._pressure_seconds)

    def refuses(self, pod: Obj) -> Failure | None:
        """Why a new pod is not taken: under pressure only those that do not make it worse."""
        pressures = self.pressures
        if not pressures or not is_evictable(pod):
            return None
        if pressures == {"MemoryPressure"} and (qos_class(pod) != BEST_EFFORT or _tolerates_memory(pod)):
            return None
        return Failure(EVICTED, f"The node had condition: [{' '.join(sorted(pressures))}]. ")

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(PERIOD)
            try:
                await self.look()
            except (KubeActorsError, OSError) as error:
                log.warning("eviction cannot look", error=str(error))

    async def look(self) -> None:
        """One round."""
        signals = self._read()
        met = [threshold for threshold in self._thresholds if threshold.is_met(signals)]
        for threshold in met:
            self._met_at[CONDITIONS[threshold.signal]] = self._clock.now()
        if self.pressures != self._told:
            self._told = self.pressures
            self._changed()
        if met and not await self._relieved(met[0]):
            await self._evict_one(met[0], signals)
        await self._evict_outgrown()

    async def _relieved(self, threshold: Threshold) -> bool:
        """Whether what can be reclaimed is enough, so that no pod has to go."""
        if CONDITIONS[threshold.signal] != "DiskPressure":
            return False
        try:
            await self._reclaim()
        except (KubeActorsError, OSError) as error:
            log.warning("disk not reclaimed", error=str(error))
        return not threshold.is_met(self._read())

    async def _evict_one(self, threshold: Threshold, signals: Signals) -> None:
        resource = RESOURCES[threshold.signal]
        uses = await self._uses(resource)
        order = ranked(self._pods(), uses, resource)
        if not order:
            log.warning("the node is under pressure and no pod can be evicted", signal=threshold.signal)
            return
        first, level = order[0], signals[threshold.signal]
        use = uses.get(uid_of(first), Use({}))
        text = message(first, use, resource, threshold.value(level), level.available)
        log.info("pod evicted", pod=key_of(first), signal=threshold.signal)
        self._evict(first, Failure(EVICTED, text))

    async def _uses(self, resource: str) -> dict[str, Use]:
        """By uid. Of what is not counted per container (inodes, threads) nothing is known: priority alone decides."""
        if resource == "memory":
            records = await self._runtime.list_pods()
            # All at once: an engine may take a second for each.
            used = await asyncio.gather(*(self._memory(record) for record in records))
            return {record.uid: Use(each) for record, each in zip(records, used, strict=True)}
        if resource == "ephemeral-storage":
            pods = list(self._pods())
            return {uid_of(pod): Use(await asyncio.to_thread(self._disk, pod)) for pod in pods}
        return {}

    async def _memory(self, record: PodRecord) -> dict[str, int]:
        used: dict[str, int] = {}
        for each in record.containers:
            if each.state is ContainerState.RUNNING:
                # One that ends while it is measured uses nothing any more.
                with contextlib.suppress(RuntimeFailure):
                    used[each.name] = (await self._runtime.stats(each.id)).memory_bytes
        return used

    def _disk(self, pod: Obj) -> dict[str, int]:
        """Volumes belong to the pod: its first container stands for them."""
        first = next((each["name"] for each in pod["spec"].get("containers") or ()), "")
        return {first: disk_use(self._volumes(uid_of(pod)))}

    async def _evict_outgrown(self) -> None:
        for pod in list(self._pods()):
            counts = limits_containers(pod)
            if is_evictable(pod) and (counts or any(limit for _, limit in local_volumes(pod))):
                written = await self._written(uid_of(pod)) if counts else {}
                why = await asyncio.to_thread(outgrown, pod, self._volumes(uid_of(pod)), written)
                if why:
                    self._evict(pod, Failure(EVICTED, why))

    async def _written(self, uid: str) -> dict[str, int]:
        """By container: what it has written that is no volume."""
        record = await self._runtime.pod(uid)
        written: dict[str, int] = {}
        for each in record.containers if record else ():
            if each.state is ContainerState.RUNNING:
                # One that ends while it is measured takes no more.
                with contextlib.suppress(RuntimeFailure):
                    written[each.name] = await self._runtime.disk_use(each.id)
        return written


def _tolerates_memory(pod: Obj) -> bool:
    return any(
        each.get("key") in (None, "", "node.kubernetes.io/memory-pressure")
        for each in pod["spec"].get("tolerations") or ()
        if each.get("effect") in (None, "", "NoSchedule")
    )
