"""Failures of every kind during rollouts, in virtual time: in the end everything is as it was asked for."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import Any

import pytest

from kube_actors.api import Obj, errors
from kube_actors.api.meta import is_deleting
from kube_actors.api.resources import DEPLOYMENTS, ENDPOINT_SLICES, NODES, PODS, REPLICA_SETS, SERVICES
from kube_actors.controllers.pods import is_active
from kube_actors.controllers.registry import CONTROLLERS
from kube_actors.rpc.errors import RpcError

pytestmark = pytest.mark.looptime

LABELS = {"app": "a"}
NUMBERS = itertools.count()
AWAY = RpcError("UNAVAILABLE", "the server is away")


def deployment(of: Any, name: str) -> Obj:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "0"}]}}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    obj: Obj = of("Deployment", name, spec=spec | {"revisionHistoryLimit": 2, "progressDeadlineSeconds": 600})
    return obj


def disturb(server: Any, dice: random.Random) -> None:
    verb = dice.choice(["create", "patch", "update", "delete", "get", "list", "watch"])
    resource = dice.choice([PODS, REPLICA_SETS, DEPLOYMENTS, ENDPOINT_SLICES])
    error = dice.choice([AWAY, errors.Conflict("chaos"), errors.InternalError("chaos")])
    if verb in ("list", "watch"):
        error = AWAY
    server.fail(verb, resource, error, times=dice.randint(1, 3))
    server.lag = dice.choice([0.0, 0.0, 0.2, 2.0])


def demand(server: Any, dice: random.Random, name: str) -> None:
    obj = server.peek(DEPLOYMENTS, f"default/{name}")
    if dice.random() < 0.5:
        obj["spec"]["replicas"] = dice.randint(0, 8)
    else:
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = str(dice.randint(0, 4))
    obj["metadata"]["generation"] = obj["metadata"].get("generation", 0) + 1
    server.put(obj)


@pytest.mark.parametrize("seed", range(3))
async def test_thirty_changes_under_failures_and_restarts_converge(server: Any, run: Any, of: Any, seed: int) -> None:
    dice = random.Random(seed)
    names = ["one", "two"]
    server.put(of("Namespace", "default", status={"phase": "Active"}))
    server.put(of("Node", "node", status={"conditions": [{"type": "Ready", "status": "True"}]}))
    for name in names:
        server.put(of("Service", name, spec={"selector": {"app": name}, "ports": [{"port": 80}]}))
        server.put(deployment(of, name))
    manager = await run(*CONTROLLERS, leader_elect=True)
    for _ in range(30):
        disturb(server, dice)
        demand(server, dice, dice.choice(names))
        if dice.random() < 0.2:
            await manager.stop()
            manager = await run(*CONTROLLERS, leader_elect=True)
        await asyncio.sleep(dice.choice([0, 1, 10]))
        alive(server)
    server.lag = 0
    # Longer than the longest backoff and the expectations' life together.
    for _ in range(15):
        await asyncio.sleep(30)
        alive(server)
    for name in names:
        wanted = server.peek(DEPLOYMENTS, f"default/{name}")
        pods = [pod for pod in server.objects(PODS) if pod["metadata"]["labels"]["app"] == name and is_active(pod)]
        image = wanted["spec"]["template"]["spec"]["containers"][0]["image"]
        assert [pod["spec"]["containers"][0]["image"] for pod in pods] == [image] * wanted["spec"]["replicas"]
        assert wanted["status"].get("availableReplicas", 0) == wanted["spec"]["replicas"]
        slices = [
            each
            for each in server.objects(ENDPOINT_SLICES)
            if each["metadata"]["labels"]["kubernetes.io/service-name"] == name
        ]
        addressed = sorted(entry["targetRef"]["name"] for each in slices for entry in each["endpoints"])
        assert addressed == sorted(pod["metadata"]["name"] for pod in pods)
    assert server.peek(SERVICES, "default/one") is not None
    assert not is_deleting(server.peek(NODES, "node"))


def alive(server: Any) -> None:
    """The node agent's part: its heartbeat, and pods become ready; each with an address of its own."""
    node = server.peek(NODES, "node")
    node["status"]["conditions"][0]["lastHeartbeatTime"] = str(next(NUMBERS))
    server.put(node)
    unready = [pod for pod in server.objects(PODS) if is_active(pod) and not pod.get("status", {}).get("podIP")]
    for pod in unready:
        server.make_ready(pod, ip=False)
        pod = server.peek(PODS, f"default/{pod['metadata']['name']}")
        number = next(NUMBERS)
        pod["status"]["podIP"] = f"10.1.{number // 250}.{number % 250}"
        server.put(pod)
