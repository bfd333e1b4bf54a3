"""Many agents that share one watch, one client and one recorder, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.api import Obj
from kube_actors.api.resources import EVENTS, LEASES, NODES, PODS
from kube_actors.client.testing import FakeKubeClient
from kube_actors.node.config import NodeConfig
from kube_actors.node.fleet import TICK, Fleet
from kube_actors.node.runtime.simulated import SimulatedRuntime

from .conftest import make_pod

pytestmark = pytest.mark.looptime
NAMES = [f"n{number}" for number in range(1, 101)]


class Harbour:
    def __init__(self, folder: Path) -> None:
        self.clock = LoopClock()
        self.client = FakeKubeClient(clock=self.clock)
        configs = [
            NodeConfig(name=name, root_dir=folder / name, pod_cidr=f"10.1.{number}.0/24", service_environment=False)
            for number, name in enumerate(NAMES)
        ]
        self.fleet = Fleet(
            configs,
            self.client,
            self.client,
            lambda config: SimulatedRuntime(clock=self.clock),
            root_dir=folder,
            clock=self.clock,
        )

    def put(self, name: str, node: str, uid: str = "") -> None:
        pod = make_pod(name)
        pod["metadata"]["uid"] = uid or f"uid-{name}"
        pod["spec"]["nodeName"] = node
        self.client.put(pod)

    def status(self, name: str) -> Obj:
        return (self.client.peek(PODS, f"default/{name}") or {}).get("status") or {}

    def renewals(self, node: str) -> int:
        return len([1 for _, plural, key in self.client.writes if plural.startswith("leases.") and key.endswith(node)])


@pytest.fixture
async def harbour(tmp_path: Path) -> AsyncIterator[Harbour]:
    harbour = Harbour(tmp_path)
    await harbour.fleet.start()
    yield harbour
    await harbour.fleet.stop()


async def test_all_nodes_register_and_keep_their_leases(harbour: Harbour) -> None:
    await asyncio.sleep(45)
    assert len(harbour.client.objects(NODES)) == len(harbour.client.objects(LEASES)) == len(NAMES)
    assert {harbour.renewals(name) for name in NAMES} <= {4, 5}


async def test_leases_are_renewed_together_at_ticks(harbour: Harbour) -> None:
    loop, seen = asyncio.get_running_loop(), list[float]()
    await asyncio.sleep(1)
    before = len(harbour.client.writes)
    while loop.time() < 40:
        await asyncio.sleep(TICK / 10)
        if len(harbour.client.writes) > before:
            before = len(harbour.client.writes)
            seen.append(loop.time() % TICK)
    # Right after a tick, never between two of them.
    assert seen
    assert all(each <= TICK / 10 + 1e-6 or each >= TICK - 1e-6 for each in seen)
    assert len(seen) < 30


async def test_each_pod_runs_on_its_node_with_an_address_of_it(harbour: Harbour) -> None:
    for number, name in enumerate(NAMES):
        harbour.put(f"p{number}", name)
    await asyncio.sleep(5)
    for number, name in enumerate(NAMES):
        assert harbour.status(f"p{number}")["podIP"] == f"10.1.{number}.2"
        assert [pod["metadata"]["name"] for pod in harbour.fleet.agents[name].pods] == [f"p{number}"]


async def test_events_are_said_by_the_pods_node(harbour: Harbour) -> None:
    harbour.put("p", "n7")
    await asyncio.sleep(5)
    hosts = {each["source"]["host"] for each in harbour.client.objects(EVENTS) if each["involvedObject"]["name"] == "p"}
    assert hosts == {"n7"}


async def test_a_pod_made_again_on_another_node_leaves_the_first_one(harbour: Harbour) -> None:
    harbour.put("p", "n1", uid="one")
    await asyncio.sleep(2)
    harbour.put("p", "n2", uid="two")
    await asyncio.sleep(2)
    assert harbour.fleet.agents["n1"].pods == []
    assert harbour.status("p")["podIP"] == "10.1.1.2"


async def test_a_node_that_ended_renews_no_lease_and_takes_no_pod(harbour: Harbour) -> None:
    await asyncio.sleep(1)
    await harbour.fleet.end("n3")
    before = harbour.renewals("n3")
    harbour.put("p", "n3")
    await asyncio.sleep(60)
    assert harbour.renewals("n3") == before
    assert "podIP" not in harbour.status("p")


async def test_a_node_that_begins_again_runs_the_pods_that_it_has(harbour: Harbour) -> None:
    harbour.put("p", "n3")
    await asyncio.sleep(2)
    await harbour.fleet.end("n3")
    await harbour.fleet.begin("n3")
    await asyncio.sleep(15)
    assert harbour.status("p")["phase"] == "Running"
    # The status in the API tells of an earlier run, as after the reboot of a machine.
    assert harbour.status("p")["containerStatuses"][0]["restartCount"] == 1
