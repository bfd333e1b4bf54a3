"""PodDisruptionBudgets: how many pods may go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import condition, name_of
from kube_actors.api.resources import EVENTS, PODS
from kube_actors.controllers.disruption.controller import BUDGETS, DisruptionController
from kube_actors.controllers.disruption.plan import Expected, expected, plan
from kube_actors.controllers.disruption.stale import StaleDisruptionController

virtual = pytest.mark.looptime
NOW = 1_700_000_000.0
LABELS = {"app": "a"}


def budget(**spec: Any) -> Obj:
    metadata = {"name": "b", "namespace": "default", "uid": "uid-b", "generation": 1}
    selector = {"selector": {"matchLabels": LABELS}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": selector | spec}


def pod(name: str, ready: bool = True, **metadata: Any) -> Obj:
    status = {"conditions": [{"type": "Ready", "status": str(ready)}]}
    return {"metadata": {"name": name, "namespace": "default", "uid": name, **metadata}, "status": status}


@pytest.mark.parametrize(
    ("spec", "pods", "scale", "result"),
    [
        ({"minAvailable": 2}, 3, 0, (3, 2)),
        ({"minAvailable": "30%"}, 3, 10, (10, 3)),
        ({"minAvailable": "51%"}, 3, 3, (3, 2)),
        ({"maxUnavailable": 1}, 3, 5, (5, 4)),
        ({"maxUnavailable": "30%"}, 3, 5, (5, 3)),
        ({"maxUnavailable": 9}, 3, 5, (5, 0)),
    ],
)
def test_what_is_expected_follows_from_the_budget(spec: Any, pods: int, scale: int, result: tuple[int, int]) -> None:
    found = expected(budget(**spec), [pod(str(number)) for number in range(pods)], scale)
    assert (found.pods, found.healthy) == result


def test_an_evicted_pod_counts_as_gone_for_two_minutes() -> None:
    pods = [pod("a"), pod("b"), pod("c")]
    one = budget(minAvailable=1)
    one["status"] = {"disruptedPods": {"a": rfc3339(NOW - 60), "gone": rfc3339(NOW)}}
    planned = plan(one, pods, Expected(3, 1), NOW)
    assert (planned.status["currentHealthy"], planned.status["disruptionsAllowed"]) == (2, 1)
    assert list(planned.status["disruptedPods"]) == ["a"]
    assert planned.look_again == 60
    later = plan(one, pods, Expected(3, 1), NOW + 61)
    assert later.status["currentHealthy"] == 3
    assert [event.reason for event in later.events] == ["NotDeleted"]


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans())), st.integers(0, 10))
def test_never_more_disruptions_than_healthy_pods_to_spare(states: list[tuple[bool, bool, bool]], least: int) -> None:
    pods = []
    one = budget(minAvailable=least)
    one["status"] = {"disruptedPods": {}}
    for number, (ready, deleting, disrupted) in enumerate(states):
        pods.append(pod(str(number), ready, **({"deletionTimestamp": "x"} if deleting else {})))
        if disrupted:
            one["status"]["disruptedPods"][str(number)] = rfc3339(NOW)
    planned = plan(one, pods, expected(one, pods, 0), NOW)
    healthy = sum(1 for ready, deleting, disrupted in states if ready and not deleting and not disrupted)
    assert planned.status["currentHealthy"] == healthy
    assert planned.status["disruptionsAllowed"] == max(healthy - least, 0)
    one["status"] = planned.status
    assert plan(one, pods, expected(one, pods, 0), NOW + 1).status == planned.status


def status(server: Any) -> Obj:
    found: Obj = server.peek(BUDGETS, "default/b").get("status") or {}
    return found


@virtual
async def test_a_share_is_one_of_what_the_deployment_wants(server: Any, run: Any, of: Any) -> None:
    deployment = of("Deployment", "web", spec={"replicas": 10})
    replica_set = of("ReplicaSet", "web-1", owner=deployment, spec={"replicas": 4})
    server.put(deployment)
    server.put(replica_set)
    for number in range(4):
        server.put(of("Pod", f"p{number}", owner=replica_set, labels=LABELS))
    server.put(budget(minAvailable="20%"))
    await run(DisruptionController)
    server.make_ready()
    await asyncio.sleep(1)
    found = status(server)
    counts = [found[field] for field in ("expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed")]
    assert counts == [10, 2, 4, 2]
    assert condition(server.peek(BUDGETS, "default/b"), "DisruptionAllowed")["reason"] == "SufficientPods"


@virtual
async def test_pods_whose_owner_has_no_size_may_not_be_evicted(server: Any, run: Any, of: Any) -> None:
    server.put(of("Pod", "p", owner=of("Job", "work"), labels=LABELS))
    server.put(budget(maxUnavailable=1))
    await run(DisruptionController)
    found = condition(server.peek(BUDGETS, "default/b"), "DisruptionAllowed")
    assert (found["status"], found["reason"]) == ("False", "SyncFailed")
    assert found["message"] == "jobs.batch does not implement the scale subresource"
    assert "CalculateExpectedPodCountFailed" in {event["reason"] for event in server.objects(EVENTS)}


@virtual
async def test_pods_without_an_owner_count_for_a_number(server: Any, run: Any, of: Any) -> None:
    for number in range(3):
        server.put(of("Pod", f"p{number}", labels=LABELS))
    server.make_ready()
    server.put(budget(minAvailable=2))
    await run(DisruptionController)
    assert status(server)["disruptionsAllowed"] == 1
    victim = server.objects(PODS)[0]
    server.remove(PODS, f"default/{name_of(victim)}")
    await asyncio.sleep(1)
    assert status(server).get("disruptionsAllowed", 0) == 0


@virtual
async def test_a_mark_of_a_disruption_that_did_not_come_goes(server: Any, run: Any, of: Any) -> None:
    mark = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": rfc3339(NOW)}
    server.put(of("Pod", "p", status={"phase": "Running", "conditions": [mark]}))
    await run(StaleDisruptionController)
    await asyncio.sleep(100)
    assert condition(server.peek(PODS, "default/p"), "DisruptionTarget")["status"] == "True"
    await asyncio.sleep(30)
    assert condition(server.peek(PODS, "default/p"), "DisruptionTarget")["status"] == "False"
