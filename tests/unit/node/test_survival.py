"""What a node does when its agent, its runtime, its disk or its machine was away."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from kube_actors.api.resources import EVENTS, NODES, PODS
from kube_actors.node.prober.checks import http_get, tcp_connect
from kube_actors.node.prober.container import ContainerChecks
from kube_actors.node.runtime.interface import (
    ContainerSpec,
    PodRecord,
    Runtime,
    RuntimeFailure,
    SandboxSpec,
)
from kube_actors.node.runtime.simulated import Behaviour, SimulatedConfig

from .conftest import NODE, MakeWorld, World, make_pod

pytestmark = pytest.mark.looptime


def events(world: World) -> list[tuple[str, str]]:
    return [(each["reason"], each["message"]) for each in world.client.objects(EVENTS)]


async def test_a_node_whose_machine_has_booted_says_so_once(make_world: MakeWorld) -> None:
    world = await make_world()
    await world.agent.registered()
    await asyncio.sleep(15)
    assert "Rebooted" not in [reason for reason, _ in events(world)]
    node = world.client.peek(NODES, NODE)
    assert node is not None
    boot = node["status"]["nodeInfo"]["bootID"]
    info = node["status"]["nodeInfo"] | {"bootID": "an earlier one"}
    world.client.put(node | {"status": node["status"] | {"nodeInfo": info}})
    await asyncio.sleep(30)
    rebooted = [each for each in events(world) if each[0] == "Rebooted"]
    assert rebooted == [("Rebooted", f"Node {NODE} has been rebooted, boot id: {boot}")]


async def test_a_container_made_by_an_agent_that_died_before_its_start_is_no_run_of_it(make_world: MakeWorld) -> None:
    world = await make_world(None, make_pod(restartPolicy="Never"))
    await world.agent.stop()
    for record in await world.runtime.list_pods():
        await world.runtime.remove_sandbox(record.sandbox_id)
    sandbox = await world.runtime.run_sandbox(SandboxSpec("default", "p", "uid-p", "p", ip="10.1.0.2"))
    await world.runtime.create_container(sandbox.sandbox_id, ContainerSpec("c", "web:1"))
    world.agent = world.new_agent()
    await world.agent.start()
    await world.until(lambda: world.status().get("phase") == "Running")
    assert world.container()["restartCount"] == 0


async def test_a_pod_that_was_deleted_by_force_while_the_agent_was_away_ends_soon(make_world: MakeWorld) -> None:
    world = await make_world(SimulatedConfig(Behaviour(stop_seconds=20)), make_pod())
    await world.until(lambda: world.status().get("phase") == "Running")
    await world.agent.stop()
    world.client.remove(PODS, "default/p")
    (pod,) = await world.runtime.list_pods()
    world.agent = world.new_agent()
    await world.agent.start()
    await asyncio.sleep(5)
    assert await world.runtime.list_pods() == []
    assert pod.uid == "uid-p"


class Outage:
    """The runtime does not answer."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self._world, self._patch = world, monkeypatch
        self._answers = world.runtime.list_pods, world.runtime.pod

        async def away(*_: Any) -> Any:
            raise RuntimeFailure("the engine does not answer")

        for name in ("list_pods", "pod"):
            monkeypatch.setattr(world.runtime, name, away)

    def end(self) -> None:
        for name, answer in zip(("list_pods", "pod"), self._answers, strict=True):
            self._patch.setattr(self._world.runtime, name, answer)


async def test_pods_heal_as_soon_as_the_runtime_is_back(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world = await make_world()
    outage = Outage(world, monkeypatch)
    world.client.put(make_pod())
    await asyncio.sleep(100)
    assert "phase" not in world.status() or world.status()["phase"] == "Pending"
    outage.end()
    assert await world.until(lambda: world.status().get("phase") == "Running") < 3


async def test_an_outage_during_a_step_does_not_shorten_the_back_off_of_a_later_failure(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world(SimulatedConfig(Behaviour(start_seconds=30)), make_pod())
    await asyncio.sleep(10)
    outage = Outage(world, monkeypatch)
    await asyncio.sleep(15)
    outage.end()
    await world.until(lambda: world.status().get("phase") == "Running")
    looks: list[float] = []

    async def away(*_: Any) -> Any:
        looks.append(world.clock.now())
        raise RuntimeFailure("this pod cannot be read")

    monkeypatch.setattr(world.runtime, "pod", away)
    (record,) = await world.runtime.list_pods()
    world.runtime.crash(record.containers[0].id)
    await asyncio.sleep(5)
    assert looks[1] - looks[0] > 0.8


async def test_a_pod_that_bore_an_outage_of_the_runtime_has_its_own_grace_when_it_is_deleted(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world(SimulatedConfig(Behaviour(stop_seconds=4)), make_pod())
    await world.until(lambda: world.status().get("phase") == "Running")
    outage = Outage(world, monkeypatch)
    await asyncio.sleep(100)
    outage.end()
    await asyncio.sleep(30)
    world.delete()
    assert 4 <= await world.until(lambda: world.pod() is None) < 10


async def test_a_sandbox_that_failed_is_tried_again_with_another_address(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await make_world()
    run = world.runtime.run_sandbox

    async def taken(spec: SandboxSpec) -> PodRecord:
        if spec.ip == "10.1.0.2":
            raise RuntimeFailure("Address already in use")
        return await run(spec)

    monkeypatch.setattr(world.runtime, "run_sandbox", taken)
    world.client.put(make_pod())
    await world.until(lambda: world.status().get("phase") == "Running")
    assert world.status()["podIP"] == "10.1.0.3"


class HungRuntime:
    """One whose commands end when `answers` is set, and not before."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()

    async def exec(self, *_: Any, **__: Any) -> HungRuntime:
        return self

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        await self.answers.wait()
        yield 1, b""

    async def wait(self) -> int:
        return 0

    async def close(self) -> None:
        await self.answers.wait()


@pytest.mark.parametrize(("seconds", "unknown"), [(2, False), (60, True)])
async def test_a_runtime_that_hangs_says_nothing_about_a_container(
    make_world: MakeWorld, seconds: float, unknown: bool
) -> None:
    await make_world()
    runtime = HungRuntime()
    asyncio.get_running_loop().call_later(seconds, runtime.answers.set)
    result = await ContainerChecks(cast(Runtime, runtime)).execute("c", ("true",), 1)
    assert (result.ok, result.unknown) == (False, unknown)


async def test_an_agent_without_file_descriptors_fails_no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(asyncio, "open_connection", full)
    for check in (http_get, tcp_connect):
        assert (await check({"port": 80}, "127.0.0.1", {}, 1)).unknown
