"""The Deployment and ReplicaSet controllers together, against a server in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kube_actors.api import Obj
from kube_actors.api.meta import condition, controller_of, name_of
from kube_actors.api.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from kube_actors.controllers.deployment.controller import DeploymentController
from kube_actors.controllers.replicaset.controller import ReplicaSetController

pytestmark = pytest.mark.looptime

LABELS = {"app": "a"}


def deployment(of: Any, replicas: int = 3, image: str = "1", **spec: Any) -> Obj:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}]}}
    wanted = {
        "replicas": replicas,
        "selector": {"matchLabels": LABELS},
        "template": template,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "progressDeadlineSeconds": 60,
        **spec,
    }
    obj: Obj = of("Deployment", "web", spec=wanted)
    return obj


async def change(server: Any, **spec: Any) -> None:
    obj = server.peek(DEPLOYMENTS, "default/web")
    await server.update(DEPLOYMENTS, obj | {"spec": obj["spec"] | spec})


def sizes(server: Any) -> list[int]:
    return sorted(obj["spec"]["replicas"] for obj in server.objects(REPLICA_SETS))


async def roll(server: Any, seconds: int = 30) -> None:
    for _ in range(seconds):
        server.make_ready()
        await asyncio.sleep(1)


async def test_a_rollout_replaces_every_pod_and_completes(server: Any, run: Any, of: Any) -> None:
    server.put(deployment(of))
    await run(DeploymentController, ReplicaSetController)
    await roll(server, 3)
    await change(server, template=deployment(of, image="2")["spec"]["template"])
    await roll(server)
    assert sizes(server) == [0, 3]
    assert {pod["spec"]["containers"][0]["image"] for pod in server.objects(PODS)} == {"2"}
    done = server.peek(DEPLOYMENTS, "default/web")
    assert condition(done, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert condition(done, "Available")["status"] == "True"
    assert done["status"]["observedGeneration"] == done["metadata"]["generation"]


async def test_a_settled_deployment_causes_no_writes(server: Any, run: Any, of: Any) -> None:
    server.put(deployment(of))
    await run(DeploymentController, ReplicaSetController)
    await roll(server, 5)
    server.writes.clear()
    await asyncio.sleep(3600)
    assert server.changes() == []


async def test_a_rollout_over_a_stuck_image_moves_on_to_the_next(server: Any, run: Any, of: Any) -> None:
    server.put(deployment(of))
    await run(DeploymentController, ReplicaSetController)
    await roll(server, 3)
    await change(server, template=deployment(of, image="bad")["spec"]["template"])
    await asyncio.sleep(100)
    stuck = server.peek(DEPLOYMENTS, "default/web")
    assert condition(stuck, "Progressing")["reason"] == "ProgressDeadlineExceeded"
    assert stuck["status"]["availableReplicas"] == 3
    await change(server, template=deployment(of, image="good")["spec"]["template"])
    await roll(server)
    assert {pod["spec"]["containers"][0]["image"] for pod in server.objects(PODS)} == {"good"}


async def test_an_existing_replica_set_of_the_template_is_adopted(server: Any, run: Any, of: Any) -> None:
    wanted = deployment(of)
    spec = {key: wanted["spec"][key] for key in ("replicas", "selector", "template")}
    server.put(of("ReplicaSet", "there", labels=LABELS, spec=spec))
    server.put(wanted)
    await run(DeploymentController, ReplicaSetController)
    (only,) = server.objects(REPLICA_SETS)
    assert name_of(only) == "there"
    assert controller_of(only)["name"] == "web"
    assert only["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"


async def test_a_taken_name_is_a_collision_and_gets_another_hash(server: Any, run: Any, of: Any) -> None:
    server.put(deployment(of))
    await run(DeploymentController)
    (first,) = server.objects(REPLICA_SETS)
    server.remove(REPLICA_SETS, f"default/{name_of(first)}")
    server.remove(DEPLOYMENTS, "default/web")
    stranger = of("ReplicaSet", name_of(first), spec={"replicas": 0, "template": {"spec": {}}, "selector": {}})
    server.put(stranger)
    server.put(deployment(of))
    await asyncio.sleep(5)
    assert server.peek(DEPLOYMENTS, "default/web")["status"]["collisionCount"] == 1
    assert len(server.objects(REPLICA_SETS)) == 2


async def test_a_status_that_somebody_changed_is_put_right(server: Any, run: Any, of: Any) -> None:
    server.put(deployment(of))
    await run(DeploymentController, ReplicaSetController)
    await roll(server, 3)
    obj = server.peek(DEPLOYMENTS, "default/web")
    await server.update_status(DEPLOYMENTS, obj | {"status": obj["status"] | {"replicas": 99}})
    await asyncio.sleep(1)
    assert server.peek(DEPLOYMENTS, "default/web")["status"]["replicas"] == 3


async def test_recreate_waits_for_the_last_old_pod(server: Any, run: Any, of: Any) -> None:
    server.put(deployment(of, strategy={"type": "Recreate"}))
    await run(DeploymentController, ReplicaSetController)
    for pod in server.objects(PODS):
        pod["metadata"]["finalizers"] = ["x/y"]
        server.put(pod)
    await roll(server, 2)
    await change(server, template=deployment(of, image="2")["spec"]["template"])
    await asyncio.sleep(5)
    assert sizes(server) == [0]
    for pod in server.objects(PODS):
        server.remove(PODS, f"default/{name_of(pod)}")
    await asyncio.sleep(5)
    assert sizes(server) == [0, 3]


async def test_deleting_a_replica_set_brings_it_back(server: Any, run: Any, of: Any) -> None:
    server.put(deployment(of))
    await run(DeploymentController)
    (first,) = server.objects(REPLICA_SETS)
    server.remove(REPLICA_SETS, f"default/{name_of(first)}")
    await asyncio.sleep(1)
    assert [name_of(obj) for obj in server.objects(REPLICA_SETS)] == [name_of(first)]


async def test_a_conflict_is_retried_until_the_cache_is_current(server: Any, run: Any, of: Any) -> None:
    server.put(deployment(of))
    manager = await run(DeploymentController, ReplicaSetController)
    await roll(server, 3)
    server.lag = 0.5
    await change(server, replicas=5)
    await change(server, replicas=7)
    await roll(server, 10)
    assert len(server.objects(PODS)) == 7
    assert manager.counters.of("deployment").errors == 0
