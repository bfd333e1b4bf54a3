"""The Summary: rates from counters, a node's counter that never falls, and what a machine tells of itself."""

from __future__ import annotations

import json
from typing import Any

from kube_actors.node.eviction.signals import MEMORY, NODE_FS, PIDS, Level
from kube_actors.node.machine.stats import Statistics
from kube_actors.node.machine.use import cpu_nanoseconds, shown
from kube_actors.node.runtime.interface import ContainerRecord, ContainerState, ContainerStats, PodRecord

SECOND = 1_000_000_000


class Pods:
    """A runtime of one container a pod; `used` is what each has used of the processor."""

    def __init__(self, **used: int) -> None:
        self.used = used

    async def list_pods(self) -> list[PodRecord]:
        runs = {name: ContainerRecord(name, "c", 0, ContainerState.RUNNING, "i", "i", 0.0, 10.0) for name in self.used}
        return [PodRecord("s", "default", name, name, 0, True, "", 0.0, (run,)) for name, run in runs.items()]

    async def stats(self, container_id: str) -> ContainerStats:
        return ContainerStats(self.used[container_id], 100)


async def test_rates_are_what_was_used_since_the_look_before_and_the_node_never_counts_backwards() -> None:
    runtime = Pods(a=1 * SECOND, b=2 * SECOND)
    wanted = [{"metadata": {"uid": name}} for name in ("a", "b")]
    statistics = Statistics("n", runtime, lambda: wanted, None, 100.0)  # type: ignore[arg-type]

    async def look(now: float) -> Any:
        return json.loads(await statistics.summary(now))

    first = await look(110.0)
    assert first["node"]["cpu"]["usageCoreNanoSeconds"] == 3 * SECOND
    assert first["node"]["cpu"]["usageNanoCores"] == 3 * SECOND // 10
    assert "usageNanoCores" not in first["pods"][0]["containers"][0]["cpu"]
    runtime.used = {"a": 3 * SECOND}
    second = await look(114.0)
    assert second["pods"][0]["containers"][0]["cpu"]["usageNanoCores"] == SECOND // 2
    assert second["pods"][0]["cpu"]["usageNanoCores"] == SECOND // 2
    assert second["node"]["cpu"]["usageCoreNanoSeconds"] == 5 * SECOND, "what b had used stays used"


def test_a_machine_tells_what_it_uses() -> None:
    assert cpu_nanoseconds("cpu  10 20 30 1000 500 1 2 3 99 0\ncpu0 1 1 1 1\n") == 66 * SECOND // 100
    signals = {MEMORY: Level(30, 100), NODE_FS: Level(5, 20), PIDS: Level(90, 100)}
    found = shown(signals, "t")
    assert (found["memory"]["workingSetBytes"], found["memory"]["availableBytes"]) == (70, 30)
    assert (found["fs"]["usedBytes"], found["rlimit"]["curproc"]) == (15, 10)
