"""The devices of a node: looked for at the start and every minute, given to pods by the allocator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.node.devices import nvidia
from kube_actors.node.devices.allocator import Allocator
from kube_actors.node.devices.nvidia import Gpu

log = structlog.get_logger(__name__)

PERIOD = 60.0
ReadGpus = Callable[[], Awaitable[Sequence[Gpu]]]


class Devices:
    """`changed` hears when devices came or went. `read` None: the node has no devices, such as a simulated one."""

    def __init__(self, clock: Clock, changed: Callable[[], None], owner: str, read: ReadGpus | None) -> None:
        self._clock, self._changed, self._read = clock, changed, read
        self._tasks = Tasks(f"{owner}/devices")
        self._labels: Mapping[str, str] = {}
        self.allocator = Allocator()

    async def start(self) -> None:
        """Returns when the devices are known: pods that come next may ask for them."""
        if self._read is not None:
            self._take(await self._read())
            self._tasks.spawn_forever(self._follow(self._read), "follow")

    async def stop(self) -> None:
        await self._tasks.stop()

    def observe(self, node: Obj) -> None:
        """The Node as the API has it. Labels of devices from an earlier life: they are known, and gone."""
        known = (node["metadata"].get("labels") or {}).get(nvidia.LABELS[0])
        if self._read is not None and known and nvidia.RESOURCE not in self.capacity:
            self.allocator.know(nvidia.RESOURCE)
            self._changed()

    @property
    def labels(self) -> Mapping[str, str | None]:
        """What the Node's labels say of the devices; None for a label that says nothing any more."""
        return {name: self._labels.get(name) for name in nvidia.LABELS} if nvidia.RESOURCE in self.capacity else {}

    @property
    def capacity(self) -> Mapping[str, str]:
        return self.allocator.capacity

    @property
    def allocatable(self) -> Mapping[str, str]:
        return self.allocator.allocatable

    async def _follow(self, read: ReadGpus) -> None:
        while True:
            await self._clock.sleep(PERIOD)
            if self._take(await read()):
                self._changed()

    def _take(self, gpus: Sequence[Gpu]) -> bool:
        news = self.allocator.set_present(nvidia.RESOURCE, [gpu.uuid for gpu in gpus])
        self._labels = nvidia.labels(gpus)
        if news:
            log.info("NVIDIA GPUs", count=len(gpus), products=sorted({gpu.product for gpu in gpus}))
        return news
