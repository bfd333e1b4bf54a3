"""The deletion order of pods, rounding, expectations, templates, executor."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj, errors
from kube_actors.api.resources import CONFIGMAPS, PODS
from kube_actors.client.testing import FakeKubeClient
from kube_actors.controllers.actions import AllAtOnce, CreateObject, DeleteObject, RecordEvent, Requeue, SlowStart
from kube_actors.controllers.executor import Executor
from kube_actors.controllers.expectations import Expectations
from kube_actors.controllers.intstr import fenceposts
from kube_actors.controllers.metrics import ControllerCounters
from kube_actors.controllers.ownership import claim
from kube_actors.controllers.pods import in_deletion_order
from kube_actors.controllers.replicaset.plan import BURST, plan_replicas
from kube_actors.controllers.templates import same_template, template_hash

NOW = 1_700_000_000.0


def pod(uid: str, *, node: str = "n", phase: str = "Running", ready: float | None = 1000.0, **more: Any) -> Obj:
    """`ready`: seconds since it became ready; None: it is not."""
    status: Obj = {"phase": phase, "containerStatuses": [{"restartCount": more.get("restarts", 0)}]}
    if ready is not None:
        status["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": rfc3339(NOW - ready)}]
    metadata: Obj = {"name": uid, "namespace": "default", "uid": uid, "resourceVersion": "1"}
    metadata["creationTimestamp"] = rfc3339(NOW - more.get("age", 2000))
    metadata["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": more.get("cost", "0")}
    metadata["ownerReferences"] = more.get("owners", [])
    return {"metadata": metadata, "spec": {"nodeName": node}, "status": status}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pod("a", node=""), pod("b")),
        (pod("a", phase="Pending"), pod("b", phase="Unknown")),
        (pod("a", phase="Unknown"), pod("b")),
        (pod("a", ready=None), pod("b")),
        (pod("a", cost="-5"), pod("b")),
        (pod("b", ready=10), pod("a", ready=1000)),
        (pod("b", restarts=3), pod("a")),
        (pod("b", age=10), pod("a", age=2000)),
        (pod("a", cost="no number"), pod("b", cost="7")),
        # Of the same power of two in age: by uid, so that the newest zone is not always hit.
        (pod("a", ready=1000), pod("b", ready=990)),
    ],
)
def test_which_of_two_pods_goes_first(first: Obj, second: Obj) -> None:
    assert in_deletion_order([second, first], {}, NOW) == [first, second]
    assert in_deletion_order([first, second], {}, NOW) == [first, second]


def test_a_crowded_node_gives_up_a_pod_first() -> None:
    owner: Obj = {"metadata": {"name": "rs", "uid": "rs", "namespace": "default"}, "spec": {"replicas": 1}}
    lonely, crowded = pod("a", node="x"), pod("b", node="y")
    change = plan_replicas(owner, [lonely, crowded], [lonely, crowded, pod("c", node="y")], NOW)
    assert [action.name for action in change.delete] == ["b"]


@given(replicas=st.integers(0, 1200), present=st.integers(0, 1200))
def test_a_sync_moves_toward_the_wanted_number_and_never_past_it(replicas: int, present: int) -> None:
    owner: Obj = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "rs", "uid": "rs", "namespace": "default"},
        "spec": {"replicas": replicas, "template": {"spec": {}}},
    }
    pods = [{"metadata": {"name": str(n), "namespace": "default", "uid": str(n)}, "spec": {}} for n in range(present)]
    change = plan_replicas(owner, pods, [], NOW)
    assert not (change.create and change.delete)
    after = present + len(change.create) - len(change.delete)
    assert abs(after - replicas) == max(abs(present - replicas) - BURST, 0)
    if replicas == 0:
        assert not change.create


@pytest.mark.parametrize(
    ("surge", "unavailable", "desired", "expected"),
    [
        ("25%", "25%", 10, (3, 2)),
        ("25%", "25%", 1, (1, 0)),
        (0, "10%", 5, (0, 1)),
        ("0%", 0, 3, (0, 1)),
        ("100%", "100%", 7, (7, 7)),
    ],
)
def test_surge_rounds_up_unavailable_down_and_one_of_them_moves(
    surge: int | str, unavailable: int | str, desired: int, expected: tuple[int, int]
) -> None:
    assert fenceposts(surge, unavailable, desired) == expected


def test_templates_are_compared_by_meaning() -> None:
    one = {"metadata": {"labels": {"a": "b", "pod-template-hash": "x"}}, "spec": {"containers": [], "hostname": None}}
    assert same_template(one, {"metadata": {"labels": {"a": "b"}}, "spec": {}})
    assert not same_template(one, {"metadata": {"labels": {"a": "c"}}, "spec": {}})
    assert template_hash({"spec": {"b": 1, "a": 2}}) == template_hash({"spec": {"a": 2, "b": 1}})


def test_a_deleting_owner_neither_adopts_nor_releases() -> None:
    owner: Obj = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "rs", "uid": "rs"}}
    owner["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    mine = pod("mine", owners=[{"uid": "rs", "controller": True}])
    claims = claim(owner, lambda obj: obj is not mine, [mine, pod("orphan")], PODS)
    assert (claims.owned, claims.adopt, claims.release) == ((), (), ())


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_expectations_are_met_by_events_failures_and_time() -> None:
    clock = Clock()
    expectations = Expectations(clock)
    assert expectations.satisfied("k")
    expectations.expect_creations("k", 2)
    expectations.creation_observed("k")
    assert not expectations.satisfied("k")
    expectations.creation_observed("k")
    assert expectations.satisfied("k")
    expectations.expect_deletions("k", ["a", "b"])
    expectations.deletion_observed("k", "a")
    expectations.deletion_observed("k", "a")
    assert not expectations.satisfied("k")
    clock.time += 301
    assert expectations.satisfied("k")


class Events:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def event(self, obj: Obj, type: str, reason: str, message: str) -> None:
        self.seen.append(reason)


def config_map(name: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


async def test_slow_start_sends_ever_larger_batches_until_one_fails() -> None:
    client = FakeKubeClient()
    executor = Executor(client, Events(), counters := ControllerCounters())
    creations = tuple(CreateObject(CONFIGMAPS, config_map(f"c{number}")) for number in range(20))
    report = await executor.run([SlowStart(creations)])
    assert (len(report.results), report.skipped) == (20, 0)
    client = FakeKubeClient()
    executor = Executor(client, Events(), counters)
    client.fail("create", CONFIGMAPS, errors.Forbidden("quota"))
    report = await executor.run([SlowStart(creations)])
    assert (len(report.outcomes), report.skipped) == (1, 19)
    assert counters.failed_writes == 1


async def test_after_a_failure_the_rest_of_a_plan_is_skipped() -> None:
    client, events = FakeKubeClient(), Events()
    client.fail("create", CONFIGMAPS, errors.Forbidden("no"))
    report = await Executor(client, events, ControllerCounters()).run(
        [
            Requeue(5),
            CreateObject(CONFIGMAPS, config_map("a")),
            RecordEvent(config_map("a"), "Normal", "Created", ""),
            CreateObject(CONFIGMAPS, config_map("b")),
        ]
    )
    assert (report.skipped, report.requeue_after, events.seen) == (2, 5, [])
    assert client.writes == []
    with pytest.raises(errors.Forbidden):
        report.raise_error()


async def test_deleting_what_is_gone_is_done_and_all_at_once_tries_all() -> None:
    client = FakeKubeClient([config_map("a")])
    gone = DeleteObject(CONFIGMAPS, "default", "gone")
    there = DeleteObject(CONFIGMAPS, "default", "a")
    other = DeleteObject(CONFIGMAPS, "default", "a", uid="another")
    report = await Executor(client, Events(), ControllerCounters()).run([AllAtOnce((gone, other, there))])
    assert [outcome.error is None for outcome in report.outcomes] == [True, False, True]
