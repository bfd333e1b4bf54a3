"""The DaemonSet controller against a server in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kube_actors.api import Obj
from kube_actors.api.meta import labels_of, name_of
from kube_actors.api.resources import EVENTS, NODES, PODS
from kube_actors.controllers.daemonset.controller import DAEMON_SETS, DaemonSetController
from kube_actors.controllers.daemonset.pods import target_node
from kube_actors.controllers.history.revisions import CONTROLLER_REVISIONS, number_of

pytestmark = pytest.mark.looptime

LABELS = {"app": "d"}


def template(image: str = "one") -> Obj:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}]}}


def daemon_set(of: Any, **spec: Any) -> Obj:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    wanted = {"selector": {"matchLabels": LABELS}, "template": template(), "updateStrategy": strategy, **spec}
    obj: Obj = of("DaemonSet", "d", spec=wanted)
    return obj


def peek(server: Any) -> Obj:
    found: Obj = server.peek(DAEMON_SETS, "default/d")
    return found


def change(server: Any, **spec: Any) -> None:
    current = peek(server)
    current["spec"] |= spec
    server.put(current)


def bind(server: Any) -> None:
    for pod in server.objects(PODS):
        if pod.get("status", {}).get("phase") != "Running":
            pod["spec"]["nodeName"] = target_node(pod)
            server.make_ready(pod)


async def settle(server: Any, rounds: int = 8) -> None:
    for _ in range(rounds):
        await asyncio.sleep(1)
        bind(server)
    await asyncio.sleep(1)


async def test_nodes_come_and_go_and_their_pods_with_them(server: Any, run: Any, of: Any) -> None:
    server.put(of("Node", "a"))
    server.put(of("Node", "b", labels={"no": "daemon"}))
    not_here = {"key": "no", "operator": "DoesNotExist"}
    required = {"nodeSelectorTerms": [{"matchExpressions": [not_here]}]}
    wanted = template()
    wanted["spec"]["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    server.put(daemon_set(of, template=wanted))
    await run(DaemonSetController)
    await settle(server, 2)
    assert [target_node(pod) for pod in server.objects(PODS)] == ["a"]
    second = server.peek(NODES, "b")
    second["metadata"]["labels"] = {}
    server.put(second)
    server.put(of("Node", "c"))
    await settle(server, 3)
    assert sorted(target_node(pod) for pod in server.objects(PODS)) == ["a", "b", "c"]
    first = server.peek(NODES, "a")
    first["metadata"]["labels"] = {"no": "daemon"}
    server.put(first)
    await settle(server, 3)
    assert sorted(target_node(pod) for pod in server.objects(PODS)) == ["b", "c"]
    assert peek(server)["status"]["numberReady"] == 2


async def test_a_rollback_does_not_restart_pods_that_are_right_already(server: Any, run: Any, of: Any) -> None:
    for name in ("a", "b", "c"):
        server.put(of("Node", name))
    server.put(daemon_set(of))
    await run(DaemonSetController)
    await settle(server, 3)
    # The new template does not get ready anywhere, so that one pod alone is replaced.
    change(server, template=template("two"))
    await asyncio.sleep(5)
    untouched = {name_of(pod) for pod in server.objects(PODS) if pod.get("status", {}).get("phase") == "Running"}
    assert len(untouched) == 2
    change(server, template=template("one"))
    await settle(server)
    assert untouched < {name_of(pod) for pod in server.objects(PODS)}
    assert sorted(map(number_of, server.objects(CONTROLLER_REVISIONS))) == [2, 3]
    assert peek(server)["status"]["updatedNumberScheduled"] == 3


async def test_a_stale_cache_creates_no_pod_twice(server: Any, run: Any, of: Any) -> None:
    for name in ("a", "b"):
        server.put(of("Node", name))
    server.lag = 5.0
    server.put(daemon_set(of))
    await run(DaemonSetController)
    for number in range(20):
        current = peek(server)
        current["metadata"]["annotations"] = {"n": str(number)}
        server.put(current)
        await asyncio.sleep(1)
    assert len([each for each in server.changes("create") if each[1] == "pods"]) == 2


async def test_a_pod_that_fails_again_and_again_is_replaced_less_and_less_often(server: Any, run: Any, of: Any) -> None:
    server.put(of("Node", "a"))
    server.put(daemon_set(of))
    await run(DaemonSetController)
    for _ in range(100):
        for pod in server.objects(PODS):
            if pod.get("status", {}).get("phase") != "Failed":
                pod["status"] = {"phase": "Failed"}
                server.put(pod)
        await asyncio.sleep(1)
    created = len([each for each in server.changes("create") if each[1] == "pods"])
    assert 5 <= created <= 9
    assert "FailedDaemonPod" in {event["reason"] for event in server.objects(EVENTS)}


async def test_old_revisions_go_and_pods_carry_the_hash(server: Any, run: Any, of: Any) -> None:
    server.put(of("Node", "a"))
    server.put(daemon_set(of, revisionHistoryLimit=1))
    await run(DaemonSetController)
    for image in ("two", "three", "four"):
        await settle(server, 4)
        change(server, template=template(image))
    await settle(server, 4)
    revisions = {labels_of(each)["controller-revision-hash"]: each for each in server.objects(CONTROLLER_REVISIONS)}
    assert sorted(number_of(each) for each in revisions.values()) == [3, 4]
    (pod,) = server.objects(PODS)
    assert number_of(revisions[labels_of(pod)["controller-revision-hash"]]) == 4
