"""The ReplicaSet controller against a server in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kube_actors.api import Obj, errors
from kube_actors.api.meta import condition, controller_of, name_of
from kube_actors.api.resources import EVENTS, PODS, REPLICA_SETS
from kube_actors.controllers.replicaset.controller import ReplicaSetController

pytestmark = pytest.mark.looptime

LABELS = {"app": "a"}


def replica_set(of: Any, replicas: int, **spec: Any) -> Obj:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": []}}
    wanted = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template, **spec}
    obj: Obj = of("ReplicaSet", "rs", spec=wanted)
    return obj


def status(server: Any) -> Obj:
    found: Obj = server.peek(REPLICA_SETS, "default/rs")["status"]
    return found


async def test_missing_pods_are_created_and_owned(server: Any, run: Any, of: Any) -> None:
    server.put(replica_set(of, 5))
    await run(ReplicaSetController)
    pods = server.objects(PODS)
    assert len(pods) == 5
    assert {controller_of(pod)["name"] for pod in pods} == {"rs"}
    assert all(name_of(pod).startswith("rs-") for pod in pods)
    assert status(server)["replicas"] == 5
    assert "SuccessfulCreate" in {event["reason"] for event in server.objects(EVENTS)}


async def test_two_syncs_on_a_stale_cache_create_once(server: Any, run: Any, of: Any) -> None:
    server.lag = 10.0
    server.put(replica_set(of, 3))
    await run(ReplicaSetController)
    await asyncio.sleep(12)
    for number in range(20):
        touched = server.peek(REPLICA_SETS, "default/rs")
        touched["metadata"]["annotations"] = {"n": str(number)}
        server.put(touched)
        await asyncio.sleep(1)
    await asyncio.sleep(60)
    assert len(server.changes("create")) == 3


async def test_without_expectations_a_stale_cache_would_create_twice(
    server: Any, run: Any, of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kube_actors.controllers.expectations.Expectations.satisfied", lambda self, key: True)
    server.lag = 10.0
    server.put(replica_set(of, 3))
    await run(ReplicaSetController)
    await asyncio.sleep(12)
    for number in range(20):
        touched = server.peek(REPLICA_SETS, "default/rs")
        touched["metadata"]["annotations"] = {"n": str(number)}
        server.put(touched)
        await asyncio.sleep(1)
    await asyncio.sleep(60)
    assert len(server.changes("create")) > 3


async def test_surplus_pods_are_deleted_the_unready_first(server: Any, run: Any, of: Any) -> None:
    server.put(replica_set(of, 4))
    await run(ReplicaSetController)
    ready, *others = server.objects(PODS)
    server.make_ready(ready)
    server.put(replica_set(of, 1))
    await asyncio.sleep(1)
    assert [name_of(pod) for pod in server.objects(PODS)] == [name_of(ready)]
    assert len(others) == 3
    assert status(server)["readyReplicas"] == 1


async def test_a_matching_orphan_is_adopted_and_a_relabelled_pod_released(server: Any, run: Any, of: Any) -> None:
    server.put(of("Pod", "orphan", labels=LABELS))
    server.put(replica_set(of, 2))
    await run(ReplicaSetController)
    orphan = server.peek(PODS, "default/orphan")
    assert controller_of(orphan)["name"] == "rs"
    assert len(server.objects(PODS)) == 2
    orphan["metadata"]["labels"] = {"app": "other"}
    server.put(orphan)
    await asyncio.sleep(1)
    assert controller_of(server.peek(PODS, "default/orphan")) is None
    assert len(server.objects(PODS)) == 3


async def test_of_deletions_is_told_what_happened(server: Any, run: Any, of: Any) -> None:
    server.put(replica_set(of, 3))
    await run(ReplicaSetController)
    gone = name_of(server.objects(PODS)[0])
    server.lag = 5.0
    server.fail("delete", PODS, errors.Forbidden("not now"), times=1)
    server.remove(PODS, f"default/{gone}")
    server.put(replica_set(of, 0))
    await asyncio.sleep(60)
    told = [event["message"] for event in server.objects(EVENTS) if "Delete" in event["reason"]]
    # One was gone already, as far as anybody knows.
    assert "Error deleting: not now" in told
    assert f"Deleted pod: {gone}" not in told
    assert len(told) == 3


async def test_a_refusal_stops_after_the_first_batch_and_shows_until_it_is_over(server: Any, run: Any, of: Any) -> None:
    server.fail("create", PODS, errors.Forbidden("exceeded quota"), times=2)
    server.put(replica_set(of, 100))
    manager = await run(ReplicaSetController)
    counters = manager.counters.of("replicaset")
    assert counters.errors == 2
    assert len(server.objects(PODS)) == 100
    assert condition(server.peek(REPLICA_SETS, "default/rs"), "ReplicaFailure") is None
    messages = {event["message"] for event in server.objects(EVENTS) if event["reason"] == "FailedCreate"}
    assert messages == {"Error creating: exceeded quota"}


async def test_a_lasting_refusal_is_a_condition_that_a_scale_down_clears(server: Any, run: Any, of: Any) -> None:
    server.fail("create", PODS, errors.Forbidden("exceeded quota"), times=10_000)
    server.put(replica_set(of, 3))
    await run(ReplicaSetController)
    failure = condition(server.peek(REPLICA_SETS, "default/rs"), "ReplicaFailure")
    assert failure is not None
    assert (failure["status"], failure["reason"], failure["message"]) == ("True", "FailedCreate", "exceeded quota")
    current = server.peek(REPLICA_SETS, "default/rs")
    current["spec"]["replicas"] = 0
    server.put(current)
    await asyncio.sleep(70)
    assert condition(server.peek(REPLICA_SETS, "default/rs"), "ReplicaFailure") is None


async def test_pods_become_available_after_min_ready_seconds_without_an_event(server: Any, run: Any, of: Any) -> None:
    server.put(replica_set(of, 2, minReadySeconds=30))
    await run(ReplicaSetController)
    server.make_ready()
    await asyncio.sleep(5)
    assert (status(server)["readyReplicas"], status(server)["availableReplicas"]) == (2, 0)
    await asyncio.sleep(30)
    assert status(server)["availableReplicas"] == 2


async def test_finished_and_terminating_pods_are_replaced(server: Any, run: Any, of: Any) -> None:
    server.put(replica_set(of, 2))
    await run(ReplicaSetController)
    one, other = server.objects(PODS)
    one["status"] = {"phase": "Failed"}
    server.put(one)
    other["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]}
    server.put(other)
    await asyncio.sleep(1)
    assert len(server.objects(PODS)) == 4
    assert status(server)["replicas"] == 2
    assert status(server)["terminatingReplicas"] == 1


async def test_a_replica_set_that_is_being_deleted_creates_nothing(server: Any, run: Any, of: Any) -> None:
    obj = replica_set(of, 2)
    obj["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]}
    server.put(obj)
    await run(ReplicaSetController)
    assert server.objects(PODS) == []
