"""Resource use of the node and its pods in the form of kubelet's /stats/summary."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj, encoding
from kube_actors.node.machine.use import machine_use
from kube_actors.node.runtime.interface import ContainerRecord, ContainerState, PodRecord, Runtime, RuntimeFailure


class Statistics:
    """`pods` are those of the node. `root` None: there is no machine, and the node uses what its pods use."""

    def __init__(
        self, node: str, runtime: Runtime, pods: Callable[[], Iterable[Obj]], root: Path | None, started_at: float
    ) -> None:
        self._node, self._runtime, self._pods, self._root = node, runtime, pods, root
        self._started_at = started_at
        self._meter = _Meter()
        # So that the node has a rate at the first look already.
        self._of_node([], started_at)

    async def summary(self, now: float) -> bytes:
        """The Summary as JSON. A container that ends while it is measured is left out."""
        wanted = {str(pod["metadata"]["uid"]) for pod in self._pods()}
        records = [record for record in await self._runtime.list_pods() if record.uid in wanted]
        # All at once: Docker answers for each at its next measurement, which may be a second away.
        shown = await asyncio.gather(*(_pod(self._runtime, record, now) for record in records))
        self._meter.read(shown, now)
        body = {
            "node": {"nodeName": self._node, "startTime": rfc3339(self._started_at), **self._of_node(shown, now)},
            "pods": shown,
        }
        return encoding.dumps(body)

    def _of_node(self, pods: list[dict[str, Any]], now: float) -> dict[str, Any]:
        if self._root is not None:
            use = machine_use(self._root, rfc3339(now))
        else:
            use = _usage(self._meter.total, sum(pod["memory"]["workingSetBytes"] for pod in pods), now)
        self._meter.rate("", use["cpu"], now)
        return use


class _Meter:
    """Adds usageNanoCores, what was used of the processor since the look before; who is new has no rate yet.

    `total` is what all containers ever used: it never falls, as the sum of those that are there does.
    """

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, int]] = {}
        self.total = 0

    def read(self, pods: list[dict[str, Any]], now: float) -> None:
        before = self._before
        self._before = {"": before[""]} if "" in before else {}
        for pod in pods:
            uid = pod["podRef"]["uid"]
            rates = []
            for each in pod["containers"]:
                # One that was restarted counts from zero again.
                key = f"{uid}/{each['name']}/{each['startTime']}"
                self.total += max(each["cpu"]["usageCoreNanoSeconds"] - before.get(key, (0.0, 0))[1], 0)
                rates.append(self.rate(key, each["cpu"], now, before))
            if rates:
                pod["cpu"]["usageNanoCores"] = sum(rates)

    def rate(
        self, key: str, cpu: dict[str, Any], now: float, before: dict[str, tuple[float, int]] | None = None
    ) -> int:
        used = cpu["usageCoreNanoSeconds"]
        at, used_before = (self._before if before is None else before).get(key, (now, 0))
        self._before[key] = now, used
        if now <= at:
            return 0
        cpu["usageNanoCores"] = int(max(used - used_before, 0) / (now - at))
        return int(cpu["usageNanoCores"])


async def _pod(runtime: Runtime, record: PodRecord, now: float) -> dict[str, Any]:
    running = [each for each in record.containers if each.state is ContainerState.RUNNING]
    asked = await asyncio.gather(*(_container(runtime, each, now) for each in running))
    containers = [each for each in asked if each is not None]
    return {
        "podRef": {"name": record.name, "namespace": record.namespace, "uid": record.uid},
        "startTime": rfc3339(record.created_at),
        "containers": containers,
        **_together(containers, now),
    }


async def _container(runtime: Runtime, record: ContainerRecord, now: float) -> dict[str, Any] | None:
    try:
        stats = await runtime.stats(record.id)
    except RuntimeFailure:
        return None
    return {
        "name": record.name,
        "startTime": rfc3339(record.started_at),
        **_usage(stats.cpu_nanoseconds, stats.memory_bytes, now),
    }


def _together(parts: Iterable[dict[str, Any]], now: float) -> dict[str, Any]:
    known = list(parts)
    cpu = sum(each["cpu"]["usageCoreNanoSeconds"] for each in known)
    return _usage(cpu, sum(each["memory"]["workingSetBytes"] for each in known), now)


def _usage(cpu: int, memory: int, now: float) -> dict[str, Any]:
    time = rfc3339(now)
    return {
        "cpu": {"time": time, "usageCoreNanoSeconds": cpu},
        "memory": {"time": time, "workingSetBytes": memory},
    }
