"""Which pods the node has, and their workers. It routes; what to do with a pod is the worker's business.

informer (on_add, on_update, on_delete) ──┐
runtime.changes(), relist, verdicts ──────┴──> workers by uid
what the runtime has and the API has not ─────> a worker that ends it: an orphan
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.meta import key_of, uid_of
from kube_actors.node.node_events import WARNING
from kube_actors.node.pods.actions import Failure
from kube_actors.node.pods.admission import NODE_AFFINITY
from kube_actors.node.pods.executor import Parts
from kube_actors.node.pods.gate import Gate
from kube_actors.node.pods.static_pods import is_static
from kube_actors.node.pods.worker import Phase, PodWorker
from kube_actors.node.prober.manager import Prober
from kube_actors.node.resize.resizes import Resizes
from kube_actors.node.runtime.interface import ContainerState, PodRecord
from kube_actors.node.status.manager import StatusManager

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0
# Seconds to end for a pod that the API has not any more; kubelet's own, in HandlePodCleanups.
ORPHAN_GRACE = 1
# Of a pod that holds neither resources nor ports nor an address any more.
OVER = (Phase.TERMINATED, Phase.GONE)


class PodManager:
    """The handler of the pod informer. `gate` decides which pods are taken; `look_again` brings it up to date."""

    def __init__(
        self,
        parts: Parts,
        statuses: StatusManager,
        prober: Prober,
        gate: Gate,
        look_again: Callable[[], Awaitable[None]],
    ) -> None:
        self._parts, self._statuses, self._prober = parts, statuses, prober
        self._gate, self._look_again = gate, look_again
        self._tasks = Tasks(f"node/{parts.config.name}/pods")
        self._workers: dict[str, PodWorker] = {}
        # Pods that wait for a fresh look at the Node.
        self._doubtful: dict[str, Obj] = {}
        self._seen: dict[str, PodRecord] = {}
        self._resizes = Resizes(parts.allocatable, parts.events, parts.clock, self._asking, self.poke)
        # When the runtime last answered, for the node's Ready condition.
        self.runtime_answered_at = parts.clock.now()
        self._answers = True

    @property
    def pods(self) -> list[Obj]:
        """The pods that have a worker."""
        return [worker.pod for worker in self._workers.values()]

    @property
    def _active(self) -> list[PodWorker]:
        """Of the pods that hold resources and ports."""
        return [worker for worker in self._workers.values() if worker.phase not in OVER]

    def _asking(self) -> list[Obj]:
        return [worker.asking for worker in self._active]

    def _refuses(self, pod: Obj) -> Failure | None:
        return self._gate.refuses(pod, [worker.granted for worker in self._active])

    def find(self, namespace: str, name: str, uid: str = "") -> Obj | None:
        """The pod of that name; of that uid where it is given. The API knows a static pod by its mirror's uid."""
        for worker in self._workers.values():
            metadata = worker.pod["metadata"]
            same = uid in ("", metadata["uid"]) or is_static(worker.pod)
            if metadata["name"] == name and metadata["namespace"] == namespace and same:
                return worker.pod
        return None

    async def adopt(self) -> None:
        """Learn what runs from before: the addresses and devices that are taken. Raises RuntimeFailure."""
        for record in await self._parts.runtime.list_pods():
            self._seen[record.uid] = record
            if record.ready:
                self._parts.addresses.reserve(record.uid, record.ip)
            if record.ready or any(each.state is ContainerState.RUNNING for each in record.containers):
                self._parts.devices.restore(record.uid, record.devices)

    def start(self, synced: Callable[[], Awaitable[None]]) -> None:
        """`synced` waits until the API has said which pods are wanted."""
        self._tasks.spawn_forever(self._follow_changes(), "changes")
        self._tasks.spawn_forever(self._relist_forever(synced), "relist")

    async def stop(self) -> None:
        await self._tasks.stop()

    # The informer's handler

    def on_add(self, obj: Obj, is_initial: bool) -> None:
        uid = uid_of(obj)
        worker = self._workers.get(uid)
        if worker is not None:
            worker.update_pod(obj)
            self._resizes.asked(worker.asking)
            return
        if uid in self._doubtful:
            self._doubtful[uid] = obj
            return
        rejection = self._refuses(obj)
        if rejection is not None and rejection.reason == NODE_AFFINITY:
            # Whoever labels a node and then makes a pod for it may be faster than we hear of it.
            self._doubtful[uid] = obj
            self._tasks.spawn(self._decide_again(uid), f"{key_of(obj)}/affinity")
            return
        self._admit(obj, rejection)

    async def _decide_again(self, uid: str) -> None:
        try:
            await self._look_again()
        except KubeActorsError as error:
            log.info("the Node cannot be read", node=self._parts.config.name, error=str(error))
        pod = self._doubtful.pop(uid, None)
        if pod is not None:
            self._admit(pod, self._refuses(pod))

    def _admit(self, obj: Obj, rejection: Failure | None) -> None:
        if rejection is not None:
            self._parts.events.pod(obj, WARNING, rejection.reason, rejection.message)
            rejection = Failure(rejection.reason, f"Pod was rejected: {rejection.message}")
        self._begin(self._worker(obj, rejection))
        if rejection is None:
            self._resizes.begin(obj)

    def on_update(self, old: Obj, new: Obj) -> None:
        if uid_of(old) != uid_of(new):
            self.on_delete(old)
        self._statuses.observed(new)
        self.on_add(new, False)

    def on_delete(self, obj: Obj) -> None:
        self._doubtful.pop(uid_of(obj), None)
        worker = self._workers.get(uid_of(obj))
        if worker is not None:
            worker.update_pod(obj)
            worker.update_pod(None)

    def poke(self, uid: str) -> None:
        """Something changed in that pod."""
        worker = self._workers.get(uid)
        if worker is not None:
            worker.poke()

    def evict(self, pod: Obj, failure: Failure) -> None:
        """End a pod of this node as Failed, with that reason."""
        worker = self._workers.get(uid_of(pod))
        if worker is not None and worker.phase is Phase.SYNC:
            self._parts.events.pod(pod, WARNING, failure.reason, failure.message)
            worker.evict(failure)

    # What the runtime says

    async def _follow_changes(self) -> None:
        while True:
            try:
                async for uid in self._parts.runtime.changes():
                    # A list waits for containers that start, however many; it is alive meanwhile.
                    self.runtime_answered_at = self._parts.clock.now()
                    self.poke(uid)
            except (KubeActorsError, OSError) as error:
                log.info("the runtime's changes broke off", node=self._parts.config.name, error=str(error))
            await self._parts.clock.sleep(RETRY_SECONDS)

    async def _relist_forever(self, synced: Callable[[], Awaitable[None]]) -> None:
        # Before the first list nobody can say which pods are wanted.
        await synced()
        self._resizes.start()
        while True:
            try:
                self._compare(await self._parts.runtime.list_pods())
                self._answered()
                await self._drop_remains()
            except (KubeActorsError, OSError) as error:
                if self._answers:
                    log.warning("the runtime does not answer", node=self._parts.config.name, error=str(error))
                self._answers = False
            await self._parts.clock.sleep(self._parts.config.relist_interval if self._answers else RETRY_SECONDS)

    def _answered(self) -> None:
        self.runtime_answered_at = self._parts.clock.now()
        if not self._answers:
            log.info("the runtime answers again", node=self._parts.config.name)
            for worker in self._workers.values():
                worker.retry()
        self._answers = True

    def _compare(self, records: list[PodRecord]) -> None:
        """Poke the workers of pods that changed; end pods that nobody wants."""
        found = {record.uid: record for record in records}
        for uid, record in found.items():
            if uid not in self._workers:
                log.info("pod is not wanted any more", pod=record.name, namespace=record.namespace, uid=uid)
                self._begin(self._orphan(record))
            if record.ready and self._workers[uid].phase not in OVER:
                # Also that of a sandbox whose creation succeeded although the engine broke off before it said so.
                self._parts.addresses.reserve(uid, record.ip)
        for uid in found.keys() | self._seen.keys():
            if found.get(uid) != self._seen.get(uid):
                self.poke(uid)
        self._seen = found

    async def _drop_remains(self) -> None:
        """Remove what pods left behind that this node does not know any more."""
        for uid in self._parts.volumes.known_pods() - self._workers.keys() - self._seen.keys():
            await self._parts.volumes.tear_down(uid)
        await self._parts.runtime.sweep(self._workers.keys() | self._seen.keys())

    def _orphan(self, record: PodRecord) -> PodWorker:
        names = dict.fromkeys(container.name for container in record.containers)
        pod: Obj = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": record.namespace, "name": record.name, "uid": record.uid},
            # What its grace was nobody knows any more.
            "spec": {"containers": [{"name": name} for name in names], "terminationGracePeriodSeconds": ORPHAN_GRACE},
        }
        worker = self._worker(pod)
        worker.update_pod(None)
        return worker

    def _worker(self, pod: Obj, rejection: Failure | None = None) -> PodWorker:
        parts = (self._parts, self._statuses, self._prober, self._resizes, self._tasks)
        return PodWorker(pod, *parts, rejection=rejection)

    def _begin(self, worker: PodWorker) -> None:
        metadata = worker.pod["metadata"]
        self._workers[str(metadata["uid"])] = worker
        self._tasks.spawn(self._live(worker), f"{metadata['namespace']}/{metadata['name']}")

    async def _live(self, worker: PodWorker) -> None:
        await worker.run()
        uid = uid_of(worker.pod)
        self._workers.pop(uid, None)
        self._seen.pop(uid, None)
