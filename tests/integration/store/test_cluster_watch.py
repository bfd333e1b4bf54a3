"""The watch's promises in a whole cluster at work: on the store's stream, and on the API server's."""

from __future__ import annotations

import asyncio
from typing import Any

from kube_actors.api.resources import DEPLOYMENTS, PODS
from kube_actors.cluster.embedded import Cluster
from kube_actors.store.client import KV, EventBatch, StoreClient, StoreEvent
from kube_actors.store.guarantees import reliable, resumable, violations


def deployment(replicas: int) -> dict[str, Any]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": spec,
    }


async def store_history(client: StoreClient, history: list[EventBatch]) -> None:
    async for batch in client.watch(b"", 2):
        history.append(batch)


async def pod_history(cluster: Cluster, since: str, history: list[EventBatch]) -> None:
    async for events in cluster.client.watch(PODS, "default", resource_version=since):
        for event in events:
            metadata = event.object["metadata"]
            if event.type != "BOOKMARK":
                kv = KV(metadata["name"].encode(), b"", int(metadata["resourceVersion"]), 0, 0, 0)
                history.append(EventBatch([StoreEvent(event.type == "DELETED", kv, None)], kv.mod_revision))


async def scaled(cluster: Cluster, replicas: int) -> None:
    await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": replicas}}, "default")
    async with asyncio.timeout(30):
        while True:
            pods = (await cluster.client.list(PODS, "default")).items
            running = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
            if len(pods) == len(running) == replicas:
                return
            await asyncio.sleep(0.05)


async def test_a_cluster_at_work_sees_every_change_once_and_in_order() -> None:
    async with Cluster(nodes=2) as cluster:
        client = StoreClient([cluster.plan.store_address])
        await client.start()
        stored: list[EventBatch] = []
        shown: list[EventBatch] = []
        since = (await cluster.client.list(PODS, "default")).resource_version
        loop = asyncio.get_running_loop()
        watches = [
            loop.create_task(store_history(client, stored)),
            loop.create_task(pod_history(cluster, since, shown)),
        ]
        await cluster.client.create(DEPLOYMENTS, deployment(0))
        for replicas in (12, 3, 20, 0):
            await scaled(cluster, replicas)
        now = await client.range(b"")
        async with asyncio.timeout(20):
            while not stored or stored[-1].revision < now.revision:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
        await client.stop()

    assert violations(stored, resumable(2)) == []
    # From the events alone follows what the store holds.
    state: dict[bytes, KV] = {}
    for event in (event for batch in stored for event in batch.events if event.kv.mod_revision <= now.revision):
        if event.deleted:
            del state[event.kv.key]
        else:
            state[event.kv.key] = event.kv
    assert state == {kv.key: kv for kv in now.kvs}
    # The API server shows the same changes of pods, each at the store's revision.
    pods = [
        event
        for batch in stored
        for event in batch.events
        if b"/pods/" in event.kv.key and event.kv.key.split(b"/")[-2] == b"default"
    ]
    expected = [(event.kv.mod_revision, event.kv.key.split(b"/")[-1]) for event in pods]
    assert len(expected) > 100
    assert violations(shown, resumable(int(since) + 1), reliable(expected)) == []
