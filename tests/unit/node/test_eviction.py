"""When a node evicts, whom, and what it says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.aio.clock import LoopClock
from kube_actors.api import Obj
from kube_actors.api.errors import ConfigError
from kube_actors.node.eviction.manager import EvictionManager
from kube_actors.node.eviction.ranking import Use, message, ranked
from kube_actors.node.eviction.signals import MEMORY, NODE_FS, Level, read_signals
from kube_actors.node.eviction.storage import outgrown
from kube_actors.node.eviction.thresholds import Threshold, parse
from kube_actors.node.pods.actions import Failure
from kube_actors.node.runtime.interface import ContainerRecord, ContainerState, ContainerStats, PodRecord

TRANSITION_SECONDS = 300.0
MI = 1 << 20


def pod(name: str, request: str = "0", priority: int = 0, **spec: Any) -> Obj:
    resources = {"requests": {"memory": request}} if request != "0" else {}
    return {
        "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"containers": [{"name": "c", "resources": resources}], "priority": priority, **spec},
        "status": {"phase": "Running"},
    }


def names(pods: list[Obj]) -> list[str]:
    return [each["metadata"]["name"] for each in pods]


def test_thresholds_are_quantities_or_percentages_of_the_capacity() -> None:
    level = {MEMORY: Level(50 * MI, 1000 * MI), NODE_FS: Level(99, 1000)}
    assert Threshold(MEMORY, "100Mi").is_met(level)
    assert not Threshold(MEMORY, "50Mi").is_met(level)
    assert Threshold(NODE_FS, "10%").is_met(level)
    assert not Threshold("pid.available", "10%").is_met(level)


def test_settings_that_mean_nothing_are_refused_and_zero_switches_off() -> None:
    with pytest.raises(ConfigError, match="is no signal"):
        parse({"memory": "1Mi"})
    with pytest.raises(ConfigError, match="is no quantity"):
        parse({MEMORY: "much"})
    assert parse({MEMORY: "0", NODE_FS: "0%"}) == ()


def test_who_uses_more_than_asked_for_goes_first_then_the_lower_priority() -> None:
    pods = [pod("fair", "100Mi"), pod("low", priority=-1), pod("greedy", "10Mi"), pod("modest", "10Mi")]
    uses = {"fair": 50, "low": 20, "greedy": 90, "modest": 20}
    order = ranked(pods, {name: Use({"c": amount * MI}) for name, amount in uses.items()}, "memory")
    assert names(order) == ["low", "greedy", "modest", "fair"]


def test_static_critical_and_ended_pods_are_left_alone() -> None:
    static = pod("static")
    static["metadata"]["annotations"] = {"kubernetes.io/config.source": "file"}
    ended = pod("ended") | {"status": {"phase": "Succeeded"}}
    assert ranked([static, ended, pod("critical", priority=2_000_001_000)], {}, "memory") == []


def test_the_message_is_kubelets() -> None:
    text = message(pod("p"), Use({"c": 5 * MI}), "memory", 100 * MI, 40 * MI)
    assert text == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 40Mi. "
        "Container c was using 5Mi, request is 0, has larger consumption of memory. "
    )


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(-5, 5)), max_size=10))
def test_nobody_within_the_request_goes_before_one_above_it(given_pods: list[tuple[int, int]]) -> None:
    pods = [pod(f"p{number}", "50Mi", priority) for number, (_, priority) in enumerate(given_pods)]
    uses = {f"p{number}": Use({"c": amount * MI}) for number, (amount, _) in enumerate(given_pods)}
    above = [uses[name].total > 50 * MI for name in names(ranked(pods, uses, "memory"))]
    assert above == sorted(above, reverse=True)


def test_an_empty_dir_may_not_outgrow_its_limit(tmp_path: Path) -> None:
    limited = pod("p", volumes=[{"name": "v", "emptyDir": {"sizeLimit": "64Ki"}}])
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "f").write_bytes(b"x" * 32 * 1024)
    assert outgrown(limited, tmp_path, {}) == ""
    (tmp_path / "v" / "g").write_bytes(b"x" * 64 * 1024)
    assert outgrown(limited, tmp_path, {}) == 'Usage of EmptyDir volume "v" exceeds the limit "64Ki". '


@pytest.mark.parametrize(
    ("written", "volume", "why"),
    [
        ({"a": 60, "b": 30}, 0, ""),
        # What is no container's counts for the pod.
        ({"a": 60, "b": 30}, 128, "Pod ephemeral local storage usage exceeds the total limit of containers 192Ki. "),
        ({"a": 60, "b": 80}, 0, 'Container b exceeded its local ephemeral storage limit "64Ki". '),
        ({"a": 150, "b": 80}, 0, "Pod ephemeral local storage usage exceeds the total limit of containers 192Ki. "),
    ],
)
def test_containers_may_not_write_more_than_their_limits(
    tmp_path: Path, written: dict[str, int], volume: int, why: str
) -> None:
    limits = {"a": "128Ki", "b": "64Ki"}
    containers = [
        {"name": name, "resources": {"limits": {"ephemeral-storage": limit}}} for name, limit in limits.items()
    ]
    limited = pod("p", volumes=[{"name": "v", "emptyDir": {}}, {"name": "m", "emptyDir": {"medium": "Memory"}}])
    limited["spec"]["containers"] = containers
    for name, size in (("v", volume), ("m", 1024)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_bytes(b"x" * size * 1024)
    assert outgrown(limited, tmp_path, {name: kib * 1024 for name, kib in written.items()}) == why


def test_this_machine_has_signals(tmp_path: Path) -> None:
    found = read_signals(tmp_path)
    assert 0 < found[MEMORY].available <= found[MEMORY].capacity
    assert found[NODE_FS].capacity > 0


class OnePod:
    """A runtime with one pod that uses 90 Mi."""

    async def list_pods(self) -> list[PodRecord]:
        run = ContainerRecord("x", "c", 0, ContainerState.RUNNING, "i", "i", 0.0)
        return [PodRecord("s", "default", "big", "big", 0, True, "", 0.0, (run,))]

    async def stats(self, container_id: str) -> ContainerStats:
        return ContainerStats(0, 90 * MI)


class Node:
    def __init__(self) -> None:
        self.memory = 500 * MI
        self.disk, self.garbage = 500 * MI, 0
        self.evicted: list[tuple[str, Failure]] = []
        self.told = 0
        self.pods = [pod("small", "10Mi"), pod("big", "10Mi")]
        self.manager = EvictionManager(
            parse({MEMORY: "100Mi", NODE_FS: "100Mi"}),
            TRANSITION_SECONDS,
            lambda: {MEMORY: Level(self.memory, 1000 * MI), NODE_FS: Level(self.disk, 1000 * MI)},
            OnePod(),  # type: ignore[arg-type]
            lambda: self.pods,
            lambda uid: Path("/nowhere"),
            self._reclaim,
            lambda victim, failure: self.evicted.append((victim["metadata"]["name"], failure)),
            self._tell,
            LoopClock(),
            "node/n",
        )

    def _tell(self) -> None:
        self.told += 1

    async def _reclaim(self) -> None:
        self.disk, self.garbage = self.disk + self.garbage, 0


@pytest.mark.looptime
async def test_pressure_evicts_one_pod_a_look_and_is_told_for_five_minutes() -> None:
    node = Node()
    node.manager.start()
    await asyncio.sleep(15)
    assert node.evicted == []
    assert node.manager.pressures == frozenset()
    node.memory = 50 * MI
    await asyncio.sleep(10)
    assert [name for name, _ in node.evicted] == ["big"]
    assert node.evicted[0][1].reason == "Evicted"
    assert node.manager.pressures == {"MemoryPressure"}
    assert node.told == 1
    refused = node.manager.refuses(pod("new"))
    assert refused is not None
    assert refused.message == "The node had condition: [MemoryPressure]. "
    assert node.manager.refuses(pod("new", "10Mi")) is None
    node.memory = 500 * MI
    await asyncio.sleep(TRANSITION_SECONDS + 20)
    assert node.manager.pressures == frozenset()
    assert node.told == 2
    await node.manager.stop()


@pytest.mark.looptime
async def test_a_full_disk_costs_no_pod_where_images_can_go() -> None:
    node = Node()
    node.disk, node.garbage = 50 * MI, 100 * MI
    await node.manager.look()
    assert (node.disk, node.evicted) == (150 * MI, [])
    assert node.manager.pressures == {"DiskPressure"}
    node.disk = 50 * MI
    await node.manager.look()
    assert len(node.evicted) == 1
