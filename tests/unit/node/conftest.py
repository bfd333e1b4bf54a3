"""What the node's tests share: pods, records, an agent in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kube_actors.aio.clock import LoopClock, rfc3339
from kube_actors.api import Obj
from kube_actors.api.resources import PODS
from kube_actors.client.testing import FakeKubeClient
from kube_actors.node.agent import NodeAgent
from kube_actors.node.config import NodeConfig
from kube_actors.node.runtime.simulated import SimulatedConfig, SimulatedRuntime

NODE = "n1"


def make_pod(name: str = "p", *, containers: list[Obj] | None = None, **spec: Any) -> Obj:
    """A pod that is bound to the node; `spec` adds to its spec."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1},
        "spec": {
            "nodeName": NODE,
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "containers": containers or [{"name": "c", "image": "web:1"}],
        }
        | spec,
        "status": {"phase": "Pending"},
    }


class World:
    """A node agent over a fake API and a simulated runtime."""

    def __init__(self, tmp_path: Path, config: SimulatedConfig) -> None:
        self.clock = LoopClock()
        self.client = FakeKubeClient(clock=self.clock)
        self.runtime = SimulatedRuntime(config, self.clock)
        self.config = NodeConfig(
            name=NODE, root_dir=tmp_path, pod_cidr="10.1.0.0/24", listener=None, capacity={"cpu": "4", "memory": "8Gi"}
        )
        self.agent = self.new_agent()

    def new_agent(self) -> NodeAgent:
        return NodeAgent(self.config, self.client, self.runtime, self.clock)

    def pod(self, name: str = "p") -> Obj | None:
        return self.client.peek(PODS, f"default/{name}")

    def status(self, name: str = "p") -> Obj:
        pod = self.pod(name)
        return (pod or {}).get("status") or {}

    def container(self, name: str = "p") -> Obj:
        return dict((self.status(name).get("containerStatuses") or [{}])[0])

    def delete(self, name: str = "p", grace: int = 30) -> None:
        """As the API server deletes a pod gracefully."""
        pod = self.pod(name)
        assert pod is not None
        metadata = pod["metadata"] | {
            "deletionTimestamp": rfc3339(self.clock.now() + grace),
            "deletionGracePeriodSeconds": grace,
        }
        self.client.put(pod | {"metadata": metadata})

    async def until(self, condition: Callable[[], object], seconds: float = 60.0) -> float:
        """Wait for it; the virtual seconds that it took."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not condition():
            if loop.time() - begun > seconds:
                raise AssertionError(f"not so after {seconds} s: {self.status()}")
            await asyncio.sleep(0.05)
        return loop.time() - begun


MakeWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def make_world(tmp_path: Path) -> AsyncIterator[MakeWorld]:
    worlds: list[World] = []

    async def make(config: SimulatedConfig | None = None, *pods: Obj) -> World:
        world = World(tmp_path, config or SimulatedConfig())
        worlds.append(world)
        for pod in pods:
            world.client.put(pod)
        await world.agent.start()
        return world

    yield make
    for world in worlds:
        await world.agent.stop()


@asynccontextmanager
async def running(agent: NodeAgent) -> AsyncIterator[NodeAgent]:
    await agent.start()
    try:
        yield agent
    finally:
        await agent.stop()
