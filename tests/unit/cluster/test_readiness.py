"""When a cluster that starts counts as ready."""

from __future__ import annotations

import asyncio

import pytest

from kube_actors.api import Obj
from kube_actors.client.testing import FakeKubeClient
from kube_actors.cluster.readiness import nodes_ready

pytestmark = pytest.mark.looptime


def node(name: str, ready: str, *taints: str) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


async def test_a_node_takes_pods_when_it_is_ready_and_not_tainted_any_more() -> None:
    client = FakeKubeClient()
    missing = {"a", "b", "c"}
    client.put(node("a", "True", "node.kubernetes.io/unschedulable", "mine"))
    client.put(node("b", "True", "node.kubernetes.io/not-ready"))
    client.put(node("c", "False"))
    waiting = asyncio.ensure_future(nodes_ready(client, missing))  # noqa: TID251
    await asyncio.sleep(1)
    assert missing == {"b", "c"}
    client.put(node("b", "True"))
    client.put(node("c", "True"))
    async with asyncio.timeout(1):
        await waiting
