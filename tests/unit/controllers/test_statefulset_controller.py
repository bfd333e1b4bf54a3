"""The StatefulSet controller against a server in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kube_actors.api import Obj, errors
from kube_actors.api.meta import controller_of, labels_of, name_of
from kube_actors.api.resources import EVENTS, PODS
from kube_actors.api.volumes import CLAIMS
from kube_actors.controllers.history.revisions import CONTROLLER_REVISIONS, number_of
from kube_actors.controllers.statefulset.controller import STATEFUL_SETS, StatefulSetController

pytestmark = pytest.mark.looptime

LABELS = {"app": "db"}


def stateful_set(of: Any, replicas: int = 2, image: str = "one", **spec: Any) -> Obj:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}]}}
    wanted = {
        "replicas": replicas,
        "serviceName": "",
        "selector": {"matchLabels": LABELS},
        "template": template,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        **spec,
    }
    obj: Obj = of("StatefulSet", "db", spec=wanted)
    return obj


def peek(server: Any) -> Obj:
    found: Obj = server.peek(STATEFUL_SETS, "default/db")
    return found


def change(server: Any, **spec: Any) -> None:
    current = peek(server)
    current["spec"] |= spec
    current["metadata"]["generation"] = current["metadata"].get("generation", 1) + 1
    server.put(current)


def template(image: str) -> Obj:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}]}}


async def settle(server: Any, rounds: int = 6) -> None:
    for _ in range(rounds):
        await asyncio.sleep(1)
        server.make_ready()
    await asyncio.sleep(1)


async def test_a_rollback_finds_the_old_revision_again_with_the_next_number(server: Any, run: Any, of: Any) -> None:
    server.put(stateful_set(of))
    await run(StatefulSetController)
    await settle(server)
    first = peek(server)["status"]["currentRevision"]
    change(server, template=template("two"))
    await settle(server)
    second = peek(server)["status"]["currentRevision"]
    assert second != first
    change(server, template=template("one"))
    await settle(server)
    assert peek(server)["status"]["currentRevision"] == first
    numbers = {name_of(each): number_of(each) for each in server.objects(CONTROLLER_REVISIONS)}
    assert numbers == {first: 3, second: 2}
    assert {labels_of(pod)["controller-revision-hash"] for pod in server.objects(PODS)} == {first}


async def test_history_is_kept_to_its_limit(server: Any, run: Any, of: Any) -> None:
    server.put(stateful_set(of, revisionHistoryLimit=1))
    await run(StatefulSetController)
    for image in ("one", "two", "three", "four"):
        change(server, template=template(image))
        await settle(server)
    assert len(server.objects(CONTROLLER_REVISIONS)) == 2


async def test_a_name_that_another_revision_has_is_avoided(server: Any, run: Any, of: Any) -> None:
    server.put(stateful_set(of))
    manager = await run(StatefulSetController)
    await settle(server)
    (mine,) = server.objects(CONTROLLER_REVISIONS)
    await manager.stop()
    # The same name with another template and another owner.
    mine["metadata"]["ownerReferences"] = []
    mine["metadata"]["labels"] = {}
    mine["data"] = {"spec": {"template": template("other")}}
    server.put(mine)
    await run(StatefulSetController)
    await settle(server)
    assert peek(server)["status"]["collisionCount"] == 1
    assert peek(server)["status"]["updateRevision"] != name_of(mine)


async def test_a_stale_cache_creates_no_pod_twice(server: Any, run: Any, of: Any) -> None:
    server.lag = 5.0
    server.put(stateful_set(of))
    await run(StatefulSetController)
    await asyncio.sleep(60)
    created = [each for each in server.changes("create") if each[1] == "pods"]
    assert len(created) == 2


async def test_an_orphan_of_a_fitting_name_is_adopted_and_another_is_left(server: Any, run: Any, of: Any) -> None:
    server.put(of("Pod", "db-0", labels=LABELS))
    server.put(of("Pod", "stranger", labels=LABELS))
    server.put(stateful_set(of))
    await run(StatefulSetController)
    await asyncio.sleep(1)
    assert controller_of(server.peek(PODS, "default/db-0"))["name"] == "db"
    assert controller_of(server.peek(PODS, "default/stranger")) is None
    # It got the labels of its place.
    assert "update Pod db-0 in StatefulSet db successful" in {event["message"] for event in server.objects(EVENTS)}


async def test_a_refused_pod_is_told_and_the_status_is_written_all_the_same(server: Any, run: Any, of: Any) -> None:
    server.fail("create", PODS, errors.Forbidden("exceeded quota"), times=1)
    server.put(stateful_set(of))
    await run(StatefulSetController)
    await settle(server)
    messages = {event["message"] for event in server.objects(EVENTS) if event["reason"] == "FailedCreate"}
    assert messages == {"create Pod db-0 in StatefulSet db failed error: exceeded quota"}
    assert peek(server)["status"]["readyReplicas"] == 2


async def test_a_refused_claim_is_told_of_it_and_of_its_pod(server: Any, run: Any, of: Any) -> None:
    server.fail("create", CLAIMS, errors.Forbidden("exceeded quota"), times=1)
    server.put(stateful_set(of, replicas=1, volumeClaimTemplates=[{"metadata": {"name": "data"}, "spec": {}}]))
    await run(StatefulSetController)
    await settle(server)
    told = {(event["type"], event["reason"], event["message"]) for event in server.objects(EVENTS)}
    refused = "in StatefulSet db failed error:"
    assert told == {
        ("Warning", "FailedCreate", f"create Claim data-db-0 for Pod db-0 {refused} exceeded quota"),
        (
            "Warning", "FailedCreate",
            f"create Pod db-0 {refused} failed to create PVC data-db-0: exceeded quota",
        ),
        ("Normal", "SuccessfulCreate", "create Pod db-0 in StatefulSet db successful"),
    }  # fmt: skip
