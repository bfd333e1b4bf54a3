"""A hundred simulated nodes under the real control plane: failing containers, a node that is lost, streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import pytest

from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.meta import is_true, name_of
from kube_actors.api.resources import DEPLOYMENTS, NODES, PODS
from kube_actors.cluster.embedded import Cluster
from kube_actors.node.fleet import Fleet

NODE_COUNT, REPLICAS = 100, 100
APPS = [f"steady-{number}" for number in range(5)] + [f"flaky-{number}" for number in range(5)]
SIMULATED = {
    "seed": 1,
    "capacity": {"cpu": "32", "memory": "128Gi"},
    "rules": [{"labels": {"kind": "flaky"}, "behaviour": {"failureRate": 0.2, "failureSeconds": 2, "log": "hello\n"}}],
}
# Pods leave a node that is not ready at once, not after five minutes.
LEAVING = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}
    for key in ("not-ready", "unreachable")
]

pytestmark = pytest.mark.timeout(900)


def deployment(name: str) -> Obj:
    labels = {"app": name, "kind": name.partition("-")[0]}
    container = {"name": "c", "image": "web:1", "resources": {"requests": {"cpu": "10m"}}}
    spec = {"containers": [container], "tolerations": LEAVING, "terminationGracePeriodSeconds": 0}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(nodes=NODE_COUNT, simulated=SIMULATED) as running:
        yield running


@pytest.fixture
async def not_ready(cluster: Cluster) -> AsyncIterator[set[str]]:
    """The nodes that were not Ready at some time, as they come."""
    found: set[str] = set()

    async def watch() -> None:
        async with aclosing(cluster.client.watch(NODES, send_initial_events=True)) as batches:
            async for batch in batches:
                nodes = [event.object for event in batch if event.type != "BOOKMARK"]
                found.update(name_of(node) for node in nodes if not is_true(node, "Ready"))

    tasks = Tasks("test")
    tasks.spawn_forever(watch(), "nodes")
    yield found
    await tasks.stop()


def fleet(cluster: Cluster) -> Fleet:
    (found,) = [each for each in cluster.components("nodes") if isinstance(each, Fleet)]
    return found


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 400.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.5)


async def test_a_thousand_pods_converge_though_containers_fail_and_a_node_is_lost(
    cluster: Cluster, not_ready: set[str]
) -> None:
    client, lost = cluster.client, "node-7"

    async def available() -> bool:
        found = (await client.list(DEPLOYMENTS, "default")).items
        return all((each.get("status") or {}).get("availableReplicas") == REPLICAS for each in found)

    async def moved() -> bool:
        there = await client.list(PODS, "default", fields=f"spec.nodeName={lost}")
        return not there.items and await available()

    for name in APPS:
        await client.create(DEPLOYMENTS, deployment(name))
    await until(available)
    pods = (await client.list(PODS, "default")).items
    restarts = {name_of(pod): pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods}
    assert not any(count for name, count in restarts.items() if name.startswith("steady"))
    assert any(restarts.values())
    assert any(pod["spec"]["nodeName"] == lost for pod in pods)
    assert not_ready == set()

    await fleet(cluster).end(lost)
    await until(moved)
    assert not_ready == {lost}

    await fleet(cluster).begin(lost)

    async def back() -> bool:
        return is_true(await client.get(NODES, lost), "Ready")

    await until(back)
    assert not_ready == {lost}


async def test_streams_of_pods_come_from_the_one_server_of_the_fleet(cluster: Cluster) -> None:
    client = cluster.client
    template = deployment("flaky-0")["spec"]["template"]
    names = ["node-1", "node-50", f"node-{NODE_COUNT}"]
    for name in names:
        metadata = template["metadata"] | {"name": f"on-{name}", "namespace": "default"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] | {"nodeName": name}}
        await client.create(PODS, pod)

    async def running() -> bool:
        return len((await client.list(PODS, "default", fields="status.phase=Running")).items) == len(names)

    await until(running)
    for name in names:
        async with aclosing(client.logs("default", f"on-{name}")) as chunks:
            assert b"".join([chunk async for chunk in chunks]).startswith(b"hello\n")
    endpoints = [node["status"]["daemonEndpoints"]["kubeletEndpoint"] for node in (await client.list(NODES)).items]
    assert len({each["Port"] for each in endpoints}) == 1
