"""The agent over a real Docker engine, in a lab without a way out; skipped where no lab can stand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.resources import PODS
from kube_actors.client.testing import FakeKubeClient
from kube_actors.node.agent import NodeAgent
from kube_actors.node.config import NodeConfig
from kube_actors.node.runtime.docker import DockerConfig, DockerRuntime
from kube_actors.node.runtime.interface import Limits

if TYPE_CHECKING:
    from tests.e2e.lab import DockerLab

IMAGE = "kube-actors-test/busybox:1"
FOREVER = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]


def pod(name: str, command: list[str], **container: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}-1234"},
        "spec": {
            "nodeName": "n",
            "terminationGracePeriodSeconds": 3,
            "containers": [{"name": "c", "image": IMAGE, "command": command} | container],
        },
        "status": {},
    }


class Node:
    def __init__(self, root: Path, lab: DockerLab) -> None:
        self.root, self.lab = root, lab
        self.client = FakeKubeClient()
        self.start_anew()

    def start_anew(self) -> None:
        config = DockerConfig("agent", "n", "kube-actors-agent", "10.246.0.0/16", self.lab.docker_host)
        self.runtime = DockerRuntime(config)
        node = NodeConfig(name="n", root_dir=self.root, pod_cidr="10.246.1.0/24", listener=None)
        self.agent = NodeAgent(node, self.client, self.runtime)

    def container(self, name: str) -> Obj:
        status = (self.client.peek(PODS, f"default/{name}") or {}).get("status") or {}
        return dict((status.get("containerStatuses") or [{"state": {}}])[0])

    async def until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.05)

    async def end(self) -> None:
        for each in self.client.objects(PODS):
            deletion = {"deletionTimestamp": rfc3339(time.time() + 1), "deletionGracePeriodSeconds": 1}  # noqa: TID251
            self.client.put(each | {"metadata": each["metadata"] | deletion})
        await self.until(lambda: not self.client.objects(PODS) and not self.agent.pods)
        assert await self.runtime.list_pods() == []
        await self.agent.stop()


@pytest.fixture
async def node(tmp_path: Path, docker_lab: DockerLab) -> AsyncIterator[Node]:
    node = Node(tmp_path, docker_lab)
    await node.agent.start()
    yield node
    await node.end()


async def test_a_pod_mounts_is_probed_and_is_adopted_after_a_restart_of_the_agent(node: Node) -> None:
    config: Obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "default"}}
    node.client.put(config | {"data": {"a": "1"}})
    probe = {"exec": {"command": ["grep", "1", "/etc/x/a"]}, "periodSeconds": 1, "timeoutSeconds": 5}
    mounts = [{"name": "v", "mountPath": "/etc/x"}]
    web = pod("web", FOREVER, volumeMounts=mounts, readinessProbe=probe)
    web["spec"]["volumes"] = [{"name": "v", "configMap": {"name": "cm"}}]
    node.client.put(web)
    await node.until(lambda: node.container("web").get("ready"))
    before = node.container("web")
    await node.agent.stop()
    node.start_anew()
    await node.agent.start()
    await asyncio.sleep(2)
    assert node.container("web") == before


async def test_ends_and_failures_are_told(node: Node) -> None:
    node.client.put(pod("crash", ["sh", "-c", "printf words > /dev/termination-log; exit 5"]))
    node.client.put(pod("image", ["true"], image="no/such:1"))
    node.client.put(pod("command", ["/no/such"]))
    await node.until(lambda: node.container("crash")["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")
    ended = node.container("crash")["lastState"]["terminated"]
    assert (ended["exitCode"], ended["message"]) == (5, "words")
    await node.until(lambda: node.container("image")["state"].get("waiting", {}).get("reason") == "ErrImagePull")
    await node.until(lambda: node.container("command")["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")
    assert "no such file" in node.container("command")["lastState"]["terminated"]["message"]


async def test_a_dead_sandbox_is_made_again(node: Node) -> None:
    node.client.put(pod("web", FOREVER))
    await node.until(lambda: node.container("web").get("ready"))
    (record,) = await node.runtime.list_pods()
    await node.runtime.stop_sandbox(record.sandbox_id)
    await node.until(lambda: node.container("web").get("ready") and node.container("web")["restartCount"])
    (after,) = await node.runtime.list_pods()
    assert after.sandbox_id != record.sandbox_id


async def test_a_resize_while_the_agent_is_away_is_made_in_place_by_the_next_one(node: Node) -> None:
    amounts = ({"cpu": "50m", "memory": "32Mi"}, {"cpu": "200m", "memory": "64Mi"})
    small, large = ({"requests": each, "limits": each} for each in amounts)
    node.client.put(pod("sized", FOREVER, resources=small))
    await node.until(lambda: node.container("sized").get("resources") == small)
    before = node.container("sized")["containerID"]
    await node.agent.stop()
    found = await node.client.get(PODS, "sized", "default")
    found["spec"]["containers"][0]["resources"] = large
    await node.client.update(PODS, found)
    node.start_anew()
    await node.agent.start()
    await node.until(lambda: node.container("sized").get("resources") == large)
    assert node.container("sized")["containerID"] == before
    (record,) = await node.runtime.list_pods()
    assert record.containers[0].limits == Limits(204, 20_000, 64 << 20)
