"""Pods that come and go leave nothing behind in the agent: no task, no open file, no entry in any of its tables."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kube_actors.aio.clock import SystemClock, rfc3339
from kube_actors.api import Obj
from kube_actors.api.resources import PODS
from kube_actors.client.testing import FakeKubeClient
from kube_actors.node.agent import NodeAgent
from kube_actors.node.config import NodeConfig
from kube_actors.node.runtime.interface import Runtime
from kube_actors.node.runtime.process import ProcessConfig, ProcessRuntime
from kube_actors.node.runtime.simulated import SimulatedRuntime

PACKAGE = "kube_actors.node"


def census() -> Counter[str]:
    """How many there are: tasks, open files, objects of the node's classes, entries of what these hold."""
    gc.collect()
    found = Counter({"tasks": len(asyncio.all_tasks()), "files": len(os.listdir("/proc/self/fd"))})
    for each in gc.get_objects():
        kind = type(each)
        if str(kind.__module__).startswith(PACKAGE):
            found[kind.__qualname__] += 1
            for name in (*getattr(each, "__dict__", ()), *getattr(kind, "__slots__", ())):
                value = getattr(each, name, None)
                if isinstance(value, dict | list | set | deque):
                    found[f"{kind.__qualname__}.{name}"] += len(value)
    return found


async def until(condition: Callable[[], object], what: Callable[[], object] = str) -> None:
    deadline = asyncio.get_running_loop().time() + 60
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, what()
        await asyncio.sleep(0.05)


def pod(name: str) -> Obj:
    volume = {"name": "v", "configMap": {"name": "words"}}
    container = {"name": "c", "image": "host:1", "command": ["sleep", "60"]}
    container["volumeMounts"] = [{"name": "v", "mountPath": "/etc/v"}]
    container["readinessProbe"] = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {"nodeName": "n", "volumes": [volume], "containers": [container]},
        "status": {},
    }


async def come_and_go(client: FakeKubeClient, agent: NodeAgent, names: list[str]) -> None:
    for name in names:
        client.put(pod(name))

    def ready(name: str) -> bool:
        status = (client.peek(PODS, f"default/{name}") or {}).get("status") or {}
        return any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())

    await until(lambda: all(map(ready, names)))
    when = rfc3339(SystemClock().now())
    for name in names:
        found = client.peek(PODS, f"default/{name}")
        assert found is not None
        gone = {"deletionTimestamp": when, "deletionGracePeriodSeconds": 0}
        client.put(found | {"metadata": found["metadata"] | gone})
    await until(lambda: not client.objects(PODS) and not agent.pods)


@pytest.fixture(params=["process", "simulated"])
async def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Runtime]:
    if request.param == "process":
        yield ProcessRuntime(ProcessConfig(tmp_path, "test", "n"))
    else:
        yield SimulatedRuntime()


async def test_pods_that_come_and_go_leave_nothing_in_the_agent(runtime: Runtime, tmp_path: Path) -> None:
    client = FakeKubeClient()
    metadata = {"name": "words", "namespace": "default", "uid": "words"}
    client.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"word": "yes"}})
    config = NodeConfig(name="n", root_dir=tmp_path, pod_cidr="127.131.9.0/24", listener=None)
    agent = NodeAgent(config, client, runtime)
    await agent.start()
    try:
        await come_and_go(client, agent, [f"first-{number}" for number in range(5)])
        before = census()
        for turn in range(3):
            await come_and_go(client, agent, [f"more-{turn}-{number}" for number in range(10)])
        # What only waits to be written or closed is not left behind.
        await until(lambda: not census() - before, lambda: census() - before)
    finally:
        await agent.stop()
