"""The garbage collector against a server in memory, which sets the finalizers of a deletion policy."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kube_actors.api import Obj
from kube_actors.api.meta import name_of
from kube_actors.api.resources import CONFIGMAPS, DEPLOYMENTS, EVENTS, NODES, PODS, REPLICA_SETS
from kube_actors.controllers.garbage_collector.controller import GarbageCollectorController
from kube_actors.controllers.garbage_collector.graph import Graph, Task

pytestmark = pytest.mark.looptime


def owner_reference(obj: Obj, **changes: Any) -> Obj:
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": name_of(obj),
        "uid": obj["metadata"]["uid"],
        **changes,
    }


def names(server: Any, resource: Any) -> list[str]:
    return sorted(name_of(obj) for obj in server.objects(resource))


async def tree(server: Any, run: Any, of: Any) -> tuple[Obj, Obj]:
    """A Deployment with a ReplicaSet with three pods, and the collector."""
    top = server.put(of("Deployment", "d"))
    middle = server.put(of("ReplicaSet", "rs", owner=top))
    for number in range(3):
        server.put(of("Pod", f"p{number}", owner=middle))
    await run(GarbageCollectorController)
    return top, middle


async def test_background_deletion_takes_everything_below(server: Any, run: Any, of: Any) -> None:
    await tree(server, run, of)
    await server.delete(DEPLOYMENTS, "d", "default", propagation="Background")
    await asyncio.sleep(1)
    assert server.objects(REPLICA_SETS) == server.objects(PODS) == []


async def test_foreground_deletion_keeps_the_owner_until_its_dependents_are_gone(
    server: Any, run: Any, of: Any
) -> None:
    await tree(server, run, of)
    held = server.peek(PODS, "default/p1")
    held["metadata"]["finalizers"] = ["x/y"]
    server.put(held)
    await server.delete(DEPLOYMENTS, "d", "default", propagation="Foreground")
    await asyncio.sleep(5)
    assert names(server, PODS) == ["p1"]
    assert server.peek(REPLICA_SETS, "default/rs")["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert server.peek(DEPLOYMENTS, "default/d") is not None
    server.remove(PODS, "default/p1")
    await asyncio.sleep(1)
    assert server.objects(REPLICA_SETS) == server.objects(DEPLOYMENTS) == []


async def test_a_dependent_that_does_not_block_is_not_waited_for(server: Any, run: Any, of: Any) -> None:
    top = server.put(of("ReplicaSet", "rs"))
    server.put(of("Pod", "p", owner=top, block=False, finalizers=["x/y"]))
    await run(GarbageCollectorController)
    await server.delete(REPLICA_SETS, "rs", "default", propagation="Foreground")
    await asyncio.sleep(1)
    assert server.objects(REPLICA_SETS) == []
    assert server.peek(PODS, "default/p")["metadata"]["deletionTimestamp"]


async def test_orphaning_strips_the_references_and_lets_the_owner_go(server: Any, run: Any, of: Any) -> None:
    await tree(server, run, of)
    await server.delete(DEPLOYMENTS, "d", "default", propagation="Orphan")
    await asyncio.sleep(1)
    assert server.objects(DEPLOYMENTS) == []
    assert server.peek(REPLICA_SETS, "default/rs")["metadata"]["ownerReferences"] == []
    assert len(server.objects(PODS)) == 3


async def test_a_dependent_with_another_living_owner_only_loses_the_dead_reference(
    server: Any, run: Any, of: Any
) -> None:
    one, other = server.put(of("ReplicaSet", "one")), server.put(of("ReplicaSet", "other"))
    server.put(of("Pod", "p", ownerReferences=[owner_reference(one), owner_reference(other)]))
    await run(GarbageCollectorController)
    await server.delete(REPLICA_SETS, "one", "default", propagation="Foreground")
    await asyncio.sleep(1)
    assert server.peek(REPLICA_SETS, "default/one") is None
    references = server.peek(PODS, "default/p")["metadata"]["ownerReferences"]
    assert [each["name"] for each in references] == ["other"]


async def test_a_circle_of_owners_does_not_block_its_deletion(server: Any, run: Any, of: Any) -> None:
    pods = [of("Pod", f"p{number}") for number in range(3)]
    for number, pod in enumerate(pods):
        pod["metadata"]["ownerReferences"] = [owner_reference(pods[number - 1], blockOwnerDeletion=True)]
        server.put(pod)
    await run(GarbageCollectorController)
    await asyncio.sleep(60)
    assert len(server.objects(PODS)) == 3
    await server.delete(PODS, "p0", "default", propagation="Foreground")
    await asyncio.sleep(60)
    assert server.objects(PODS) == []


async def test_an_owner_that_never_existed_is_gone_by_a_live_look(server: Any, run: Any, of: Any) -> None:
    ghost = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "ghost", "uid": "ghost"}
    server.put(of("Pod", "p", ownerReferences=[ghost]))
    await run(GarbageCollectorController)
    await asyncio.sleep(1)
    assert server.objects(PODS) == []


async def test_an_owner_whose_event_is_late_is_not_taken_for_absent(server: Any, run: Any, of: Any) -> None:
    server.lag = 30.0
    await run(GarbageCollectorController)
    top = server.put(of("ReplicaSet", "rs"))
    await asyncio.sleep(29)
    server.put(of("Pod", "p", owner=top))
    await asyncio.sleep(300)
    assert names(server, PODS) == ["p"]


async def test_an_owner_that_was_recreated_under_its_name_is_another(server: Any, run: Any, of: Any) -> None:
    await tree(server, run, of)
    await server.delete(DEPLOYMENTS, "d", "default")
    again = of("Deployment", "d")
    again["metadata"]["uid"] = "uid-new"
    server.put(again)
    await asyncio.sleep(1)
    assert server.objects(PODS) == []
    assert names(server, DEPLOYMENTS) == ["d"]


async def test_a_reference_into_another_namespace_is_no_owner_and_is_told(server: Any, run: Any, of: Any) -> None:
    far = server.put(of("ConfigMap", "far", namespace="elsewhere"))
    server.put(of("Pod", "p", ownerReferences=[owner_reference(far)]))
    await run(GarbageCollectorController)
    await asyncio.sleep(2)
    assert server.objects(PODS) == []
    assert names(server, CONFIGMAPS) == ["far"]
    text = 'ownerRef [v1/ConfigMap, namespace: default, name: far, uid: uid-far] does not exist in namespace "default"'
    assert ("OwnerRefInvalidNamespace", text) in {
        (event["reason"], event["message"]) for event in server.objects(EVENTS)
    }


async def test_a_cluster_scoped_object_is_never_collected_for_a_namespaced_owner(
    server: Any, run: Any, of: Any
) -> None:
    ghost = {"apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": "ghost"}
    server.put(of("Node", "n", ownerReferences=[ghost]))
    await run(GarbageCollectorController)
    await asyncio.sleep(60)
    assert names(server, NODES) == ["n"]


async def test_an_owner_of_an_unknown_kind_proves_nothing(server: Any, run: Any, of: Any) -> None:
    ghost = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "ghost", "uid": "ghost"}
    server.put(of("Pod", "p", ownerReferences=[ghost]))
    await run(GarbageCollectorController)
    await asyncio.sleep(60)
    assert names(server, PODS) == ["p"]


async def test_a_wrong_reference_does_not_hide_the_owner_from_a_right_one(server: Any, run: Any, of: Any) -> None:
    server.lag = 5.0
    real = of("ReplicaSet", "real")
    server.put(of("Pod", "bad", ownerReferences=[owner_reference(real, name="wrong")]))
    server.put(of("Pod", "good", ownerReferences=[owner_reference(real)]))
    server.put(real)
    await run(GarbageCollectorController)
    await asyncio.sleep(60)
    assert names(server, PODS) == ["good"]


async def test_what_is_adopted_in_time_stays(server: Any, run: Any, of: Any) -> None:
    top, _ = await tree(server, run, of)
    await server.delete(DEPLOYMENTS, "d", "default", propagation="Orphan")
    assert top["metadata"]["uid"] == "uid-d"
    await asyncio.sleep(60)
    assert len(server.objects(PODS)) == 3


async def test_many_dependents_ask_once_for_their_absent_owner(server: Any, run: Any, of: Any) -> None:
    top = server.put(of("ReplicaSet", "rs"))
    for number in range(100):
        server.put(of("Pod", f"p{number:03}", owner=top))
    await run(GarbageCollectorController)
    asked: list[str] = []
    get = server.get

    async def counted(resource: Any, name: str, *args: Any, **kwargs: Any) -> Obj:
        asked.append(name)
        found: Obj = await get(resource, name, *args, **kwargs)
        return found

    server.get = counted
    server.remove(REPLICA_SETS, "default/rs")
    await asyncio.sleep(1)
    assert server.objects(PODS) == []
    assert asked.count("rs") == 0


def test_the_graph_forgets_virtual_owners_that_nobody_names_any_more() -> None:
    graph = Graph()
    ghost = {"apiVersion": "v1", "kind": "ConfigMap", "name": "g", "uid": "g"}
    pod: Obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", "uid": "p", "ownerReferences": [ghost]},
    }
    assert graph.observe(pod) == [(Task.DELETE, "g")]
    assert len(graph) == 2
    graph.gone("p")
    assert len(graph) == 0
