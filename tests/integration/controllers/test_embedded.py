"""The controllers in an embedded cluster, seen from the API."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from kube_actors.api import Obj, errors
from kube_actors.api.meta import condition, is_deleting, is_true, name_of
from kube_actors.api.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from kube_actors.client.types import STRATEGIC_MERGE_PATCH
from kube_actors.controllers.config import ControllerConfig
from kube_actors.controllers.manager import ControllerManager
from kube_actors.controllers.pods import is_active

REVISION = "deployment.kubernetes.io/revision"


async def complete(client: Any, name: str = "web") -> Obj | None:
    """The Deployment, once its rollout is over."""
    found: Obj = await client.get(DEPLOYMENTS, name, "default")
    status, wanted = found.get("status") or {}, found["spec"]["replicas"]
    over = status.get("observedGeneration") == found["metadata"]["generation"]
    counts = [status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")]
    return found if over and counts == [wanted] * 3 else None


def image(of: str) -> Obj:
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": of}]}}}}


async def test_a_deployment_gets_its_pods_and_a_service_its_addresses(
    cluster: Any, deployment: Any, until: Any
) -> None:
    client = cluster.client
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"}}
    await client.create(SERVICES, service | {"spec": spec})
    await client.create(DEPLOYMENTS, deployment())
    done = await until(lambda: complete(client))
    assert done["metadata"]["annotations"][REVISION] == "1"
    assert condition(done, "Progressing")["reason"] == "NewReplicaSetAvailable"

    async def three_addresses() -> list[Obj]:
        endpoints = await client.get(ENDPOINTS, "web", "default")
        found = [entry for subset in endpoints.get("subsets") or () for entry in subset.get("addresses") or ()]
        return found if len(found) == 3 else []

    await until(three_addresses)

    async def three_ready() -> list[Obj]:
        slices = await client.list(ENDPOINT_SLICES, "default", labels="kubernetes.io/service-name=web")
        found = [entry for each in slices.items for entry in each["endpoints"] if entry["conditions"]["ready"]]
        return found if len(found) == 3 else []

    ready = await until(three_ready)
    assert all(entry["targetRef"]["kind"] == "Pod" and entry["nodeName"] for entry in ready)


async def test_a_rolling_update_is_never_below_nor_above_its_promise(cluster: Any, deployment: Any, until: Any) -> None:
    client = cluster.client
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 5, "maxUnavailable": 4}}
    await client.create(DEPLOYMENTS, deployment(replicas=20, strategy=strategy))
    await until(lambda: complete(client), 60)
    seen: list[tuple[int, int]] = []

    async def watch() -> None:
        pods: dict[str, Obj] = {}
        async with aclosing(client.watch(PODS, "default", send_initial_events=True)) as batches:
            async for batch in batches:
                for event in batch:
                    if event.type == "BOOKMARK":
                        continue
                    pods[name_of(event.object)] = event.object
                    if event.type == "DELETED":
                        del pods[name_of(event.object)]
                    if len(pods) >= 20:
                        active = [pod for pod in pods.values() if is_active(pod)]
                        seen.append((len(active), sum(1 for pod in active if is_true(pod, "Ready"))))

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch())
        await until(lambda: _true(seen))
        await client.patch(DEPLOYMENTS, "web", image("two"), "default", type=STRATEGIC_MERGE_PATCH)
        await until(lambda: complete(client), 60)
        watching.cancel()
    assert max(active for active, _ in seen) <= 25
    assert min(ready for _, ready in seen) >= 16
    assert max(active for active, _ in seen) > 20


async def _true(value: object) -> object:
    return value


async def test_undo_pause_scale_and_history(cluster: Any, deployment: Any, until: Any) -> None:
    client = cluster.client
    await client.create(DEPLOYMENTS, deployment(replicas=2, revisionHistoryLimit=1))
    first = await until(lambda: complete(client))
    for version in ("two", "three"):
        await client.patch(DEPLOYMENTS, "web", image(version), "default", type=STRATEGIC_MERGE_PATCH)
        await until(lambda: complete(client))

    async def one_old() -> bool:
        return len((await client.list(REPLICA_SETS, "default")).items) == 2

    await until(one_old)
    await client.patch(DEPLOYMENTS, "web", image("two"), "default", type=STRATEGIC_MERGE_PATCH)
    back = await until(lambda: complete(client))
    assert first["metadata"]["annotations"][REVISION] == "1"
    assert back["metadata"]["annotations"][REVISION] == "4"
    await client.patch(DEPLOYMENTS, "web", {"spec": {"paused": True, "replicas": 4}}, "default")
    await until(lambda: complete(client))
    await client.patch(DEPLOYMENTS, "web", image("four"), "default", type=STRATEGIC_MERGE_PATCH)
    await asyncio.sleep(0.5)
    images = {pod["spec"]["containers"][0]["image"] for pod in (await client.list(PODS, "default")).items}
    assert images == {"two"}
    await client.patch(DEPLOYMENTS, "web", {"spec": {"paused": None}}, "default")
    await until(lambda: complete(client))


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_deleting_a_deployment_takes_everything_below(
    cluster: Any, deployment: Any, until: Any, propagation: str
) -> None:
    client = cluster.client
    await client.create(DEPLOYMENTS, deployment())
    await until(lambda: complete(client))
    await client.delete(DEPLOYMENTS, "web", "default", propagation=propagation)

    async def nothing_left() -> bool:
        lists = [await client.list(resource, "default") for resource in (DEPLOYMENTS, REPLICA_SETS, PODS)]
        return not any(each.items for each in lists)

    await until(nothing_left, 60)


async def test_orphaned_replica_sets_are_adopted_by_the_next_deployment(
    cluster: Any, deployment: Any, until: Any
) -> None:
    client = cluster.client
    await client.create(DEPLOYMENTS, deployment())
    await until(lambda: complete(client))
    before = {name_of(pod) for pod in (await client.list(PODS, "default")).items}
    await client.delete(DEPLOYMENTS, "web", "default", propagation="Orphan")

    async def gone() -> bool:
        # The owner goes last: its finalizer is taken off once its dependents are freed.
        return not (await client.list(DEPLOYMENTS, "default")).items

    await until(gone)
    (orphan,) = (await client.list(REPLICA_SETS, "default")).items
    assert not orphan["metadata"].get("ownerReferences")
    await client.create(DEPLOYMENTS, deployment())
    await until(lambda: complete(client))
    assert {name_of(pod) for pod in (await client.list(PODS, "default")).items} == before


async def test_a_namespace_goes_with_everything_in_it_and_can_come_again(cluster: Any, until: Any) -> None:
    client = cluster.client
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}

    async def furnished() -> bool:
        try:
            await client.get(SERVICE_ACCOUNTS, "default", "team")
            published = await client.get(CONFIGMAPS, "kube-root-ca.crt", "team")
        except errors.NotFound:
            return False
        return "BEGIN CERTIFICATE" in published["data"]["ca.crt"]

    async def gone() -> bool:
        try:
            await client.get(NAMESPACES, "team")
        except errors.NotFound:
            return True
        return False

    for _ in range(2):
        await client.create(NAMESPACES, namespace)
        await until(furnished)
        metadata = {"name": "x", "namespace": "team"}
        await client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
        spec = {"containers": [{"name": "c", "image": "x"}], "terminationGracePeriodSeconds": 1}
        await client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        await client.delete(NAMESPACES, "team")
        await until(gone, 30)


async def test_a_finalizer_on_a_pod_holds_the_namespace_and_what_the_pod_needs(cluster: Any, until: Any) -> None:
    client = cluster.client
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}})
    metadata = {"name": "x", "namespace": "team"}
    await client.create(CONFIGMAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})

    async def account() -> bool:
        return bool((await client.list(SERVICE_ACCOUNTS, "team")).items)

    await until(account)
    spec = {"containers": [{"name": "c", "image": "x"}], "terminationGracePeriodSeconds": 1}
    held = metadata | {"finalizers": ["example.com/held"]}
    await client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": held, "spec": spec})
    await client.delete(NAMESPACES, "team")

    async def told() -> bool:
        namespace = await client.get(NAMESPACES, "team")
        return is_true(namespace, "NamespaceFinalizersRemaining")

    await until(told)
    assert is_deleting(await client.get(PODS, "x", "team"))
    await client.get(CONFIGMAPS, "x", "team")
    await client.patch(PODS, "x", {"metadata": {"finalizers": None}}, "team")

    async def gone() -> bool:
        return "team" not in {name_of(each) for each in (await client.list(NAMESPACES)).items}

    await until(gone)


async def test_a_second_manager_waits_and_no_pod_is_created_twice(cluster: Any, deployment: Any, until: Any) -> None:
    client = cluster.client
    second = ControllerManager(client, ControllerConfig(root_ca=b"", identity="second"))
    await second.start()
    created: set[str] = set()

    async def watch() -> None:
        async with aclosing(client.watch(PODS, "default", send_initial_events=True)) as batches:
            async for batch in batches:
                created.update(name_of(event.object) for event in batch if event.type == "ADDED")

    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch())
            await client.create(DEPLOYMENTS, deployment(replicas=30))
            await until(lambda: complete(client), 60)
            await asyncio.sleep(1)
            watching.cancel()
        assert not second.is_leading
        assert len(created) == 30
    finally:
        await second.stop()
