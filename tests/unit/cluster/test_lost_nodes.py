"""Nodes whose machine has left Ray."""

from __future__ import annotations

import asyncio

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.api import Obj
from kube_actors.api.resources import NODES
from kube_actors.client.testing import FakeKubeClient
from kube_actors.cluster.lost_nodes import RAY_HOST, LostNodes


def node(name: str, host: str | None, *, ready: bool) -> Obj:
    metadata: Obj = {"name": name, "uid": name}
    if host is not None:
        metadata["annotations"] = {RAY_HOST: host}
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": {"conditions": conditions}}


@pytest.mark.looptime
async def test_a_node_goes_with_its_host_and_others_stay() -> None:
    clock = LoopClock()
    hosts = ["10.0.0.1", "10.0.0.2"]
    client = FakeKubeClient(
        [
            node("one", "10.0.0.1", ready=True),
            node("two", "10.0.0.2", ready=False),
            node("alive", "10.0.0.9", ready=True),
            node("foreign", None, ready=False),
        ],
        clock=clock,
    )
    component = LostNodes(client, lambda: hosts, clock)
    await component.start()
    try:
        await asyncio.sleep(60)
        assert len(client.objects(NODES)) == 4
        hosts.remove("10.0.0.2")
        await asyncio.sleep(8)
        assert len(client.objects(NODES)) == 4
        await asyncio.sleep(20)
        assert {each["metadata"]["name"] for each in client.objects(NODES)} == {"one", "alive", "foreign"}
    finally:
        await component.stop()


@pytest.mark.looptime
async def test_a_ray_that_does_not_answer_removes_nothing() -> None:
    clock = LoopClock()
    client = FakeKubeClient([node("two", "10.0.0.2", ready=False)], clock=clock)

    def fails() -> list[str]:
        raise RuntimeError("Ray is away")

    component = LostNodes(client, fails, clock)
    await component.start()
    try:
        await asyncio.sleep(120)
        assert len(client.objects(NODES)) == 1
    finally:
        await component.stop()
