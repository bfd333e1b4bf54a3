"""The controllers with much to do, and with components that come and go under them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj, errors
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.meta import is_deleting, is_true, name_of
from kube_actors.api.resources import DEPLOYMENTS, LEASES, PODS, REPLICA_SETS
from kube_actors.client.types import STRATEGIC_MERGE_PATCH
from kube_actors.cluster.embedded import Cluster
from kube_actors.controllers.config import ControllerConfig
from kube_actors.controllers.manager import ControllerManager


def image(of: str) -> Obj:
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": of}]}}}}


async def rolled_out(client: Any, name: str, replicas: int) -> bool:
    """Whether the Deployment is complete with that many replicas."""
    found: Obj = await client.get(DEPLOYMENTS, name, "default")
    status = found.get("status") or {}
    over = status.get("observedGeneration") == found["metadata"]["generation"]
    counts = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
    return found["spec"]["replicas"] == replicas and over and counts == [replicas] * 3


@pytest.fixture
async def four_nodes() -> AsyncIterator[Cluster]:
    async with Cluster(nodes=4) as running:
        yield running


async def test_two_hundred_replicas_roll_without_ever_falling_below_the_promise(
    four_nodes: Cluster, deployment: Any, until: Any
) -> None:
    client = four_nodes.client
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "10%", "maxUnavailable": "5%"}}
    await client.create(DEPLOYMENTS, deployment(replicas=200, strategy=strategy))
    await until(lambda: rolled_out(client, "web", 200), 120)
    available: list[int] = []
    total: list[int] = []

    async def watch() -> None:
        pods: dict[str, Obj] = {}
        async with aclosing(client.watch(PODS, "default", send_initial_events=True)) as batches:
            async for batch in batches:
                for event in batch:
                    if event.type == "DELETED":
                        pods.pop(name_of(event.object), None)
                    elif event.type != "BOOKMARK":
                        pods[name_of(event.object)] = event.object
                alive = [pod for pod in pods.values() if not is_deleting(pod)]
                if len(alive) >= 190:
                    total.append(len(alive))
                    available.append(sum(is_true(pod, "Ready") for pod in alive))

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        while not available:
            await asyncio.sleep(0.02)
        await client.patch(DEPLOYMENTS, "web", image("two"), "default", type=STRATEGIC_MERGE_PATCH)
        await until(lambda: rolled_out(client, "web", 200), 120)
        watching.cancel()
    assert min(available) >= 190
    assert 200 < max(total) <= 220


SEED = 20261125


async def test_thirty_changes_converge_while_components_restart_at_random(
    cluster: Cluster, deployment: Any, until: Any
) -> None:
    chance = random.Random(SEED)
    client = cluster.client
    wanted: dict[str, tuple[int, str]] = {}

    async def insist(step: Any) -> None:
        """As a user does: try again while a component is away. A write that was answered late may have happened."""
        async with asyncio.timeout(60):
            while True:
                try:
                    await step()
                except (errors.AlreadyExists, errors.NotFound):
                    return
                except KubeActorsError:
                    await asyncio.sleep(0.1)
                else:
                    return

    async def change(number: int) -> None:
        name, replicas, version = f"web-{chance.randrange(6)}", chance.randrange(5), f"v{number}"
        if name not in wanted:
            wanted[name] = (replicas, version)
            new = deployment(name=name, replicas=replicas, image=version)
            await insist(lambda: client.create(DEPLOYMENTS, new))
        elif chance.random() < 0.25:
            del wanted[name]
            await insist(lambda: client.delete(DEPLOYMENTS, name, "default", propagation="Foreground"))
            await until(lambda: gone(name), 60)
        else:
            wanted[name] = (replicas, version)
            patch = image(version)
            patch["spec"]["replicas"] = replicas
            await insist(lambda: client.patch(DEPLOYMENTS, name, patch, "default", type=STRATEGIC_MERGE_PATCH))

    async def gone(name: str) -> bool:
        try:
            await client.get(DEPLOYMENTS, name, "default")
        except errors.NotFound:
            return True
        except KubeActorsError:
            return False
        return False

    over = asyncio.Event()

    async def restarts() -> None:
        # Ends between two restarts: one that is cut in two would leave its component stopped.
        while not over.is_set():
            await asyncio.sleep(chance.uniform(0.1, 0.6))
            await cluster.restart(chance.choice(["apiserver", "scheduler", "controller-manager", "node-1", "node-2"]))

    async with asyncio.TaskGroup() as group:
        group.create_task(restarts())
        for number in range(30):
            await change(number)
            await asyncio.sleep(chance.uniform(0.0, 0.3))
        over.set()

    async def converged() -> bool:
        found = {name_of(each): each for each in (await client.list(DEPLOYMENTS, "default")).items}
        if found.keys() != wanted.keys():
            return False
        if not all([await rolled_out(client, name, replicas) for name, (replicas, _) in wanted.items()]):
            return False
        pods = (await client.list(PODS, "default")).items
        shown = Counter((each["metadata"]["labels"]["app"], each["spec"]["containers"][0]["image"]) for each in pods)
        return shown == Counter({(name, version): count for name, (count, version) in wanted.items() if count})

    await until(converged, 120)


async def test_ten_thousand_objects_are_resynced_without_missing_a_renewal_of_the_lease(
    cluster: Cluster, until: Any
) -> None:
    client = cluster.client
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "x"}}, "template": template}

    def replica_set(number: int) -> Obj:
        metadata = {"name": f"r{number}", "namespace": "default"}
        return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec}

    for start in range(0, 10_000, 500):
        await asyncio.gather(*(client.create(REPLICA_SETS, replica_set(start + each)) for each in range(500)))
    config = ControllerConfig(root_ca=b"", identity="second")
    manager = ControllerManager(client, config)
    gaps: list[float] = []

    async def watch() -> None:
        last: float | None = None
        async with aclosing(
            client.watch(LEASES, "kube-system", fields="metadata.name=kube-controller-manager")
        ) as all_of:
            async for batch in all_of:
                for event in batch:
                    if event.type in ("ADDED", "MODIFIED") and event.object["spec"]["holderIdentity"] == "second":
                        renewed = parse_rfc3339(event.object["spec"]["renewTime"])
                        gaps.append(renewed - last if last is not None else 0.0)
                        last = renewed

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        await manager.start()
        (leader,) = [each for each in cluster.components("controller-manager") if isinstance(each, ControllerManager)]
        await leader.stop()
        async with asyncio.timeout(30):
            await manager.leading()

        async def all_synced() -> bool:
            return manager.counters.of("replicaset").syncs >= 10_000

        await until(all_synced, 120)
        await asyncio.sleep(1.0)
        watching.cancel()
    await manager.stop()
    assert manager.counters.of("replicaset").errors == 0
    assert max(gaps) < config.lease_seconds
