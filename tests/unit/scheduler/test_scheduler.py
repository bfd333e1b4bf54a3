from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.api import Obj, errors
from kube_actors.api.resources import EVENTS, LEASES, NODES, PODS
from kube_actors.client.testing import FakeKubeClient
from kube_actors.client.types import Binding
from kube_actors.rpc.errors import RpcError
from kube_actors.scheduler import planner, scheduler
from kube_actors.scheduler.scheduler import Scheduler

pytestmark = pytest.mark.looptime


def node(name: str, cpu: str = "2", **spec: Any) -> Obj:
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": spec,
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}},
    }


def pod(name: str, cpu: str = "1", **spec: Any) -> Obj:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [container], **spec},
        "status": {"phase": "Pending"},
    }


class RejectingClient(FakeKubeClient):
    """Refuses bindings as long as `refusals` lasts."""

    def __init__(self, objects: Sequence[Obj] = (), **rest: Any) -> None:
        super().__init__(objects, **rest)
        self.refusals: list[errors.KubeActorsError] = []
        self.batches: list[int] = []

    async def bind(self, bindings: Sequence[Binding]) -> Sequence[errors.ApiError | None]:
        self.batches.append(len(bindings))
        if self.refusals and isinstance(self.refusals[0], RpcError):
            raise self.refusals.pop(0)
        refused = [self.refusals.pop(0) if self.refusals else None for _ in bindings]
        done = await super().bind([each for each, no in zip(bindings, refused, strict=True) if no is None])
        rest = iter(done)
        return [no if no is not None else next(rest) for no in refused]  # type: ignore[misc]


class Fixture:
    def __init__(self) -> None:
        self.clock = LoopClock()
        self.client = RejectingClient([node("a"), node("b")], clock=self.clock)
        self.scheduler = Scheduler(self.client, self.clock)

    def nodes_of(self) -> dict[str, str]:
        return {each["metadata"]["name"]: each["spec"].get("nodeName", "") for each in self.client.objects(PODS)}

    def events(self) -> list[tuple[str, str]]:
        return [(each["reason"], each["message"]) for each in self.client.objects(EVENTS)]


@pytest.fixture
async def it() -> AsyncIterator[Fixture]:
    fixture = Fixture()
    await fixture.scheduler.start()
    yield fixture
    await fixture.scheduler.stop()


async def test_pods_are_bound_and_an_event_says_where(it: Fixture) -> None:
    for name in ("p", "q"):
        it.client.put(pod(name))
    await asyncio.sleep(0.1)
    assert sorted(it.nodes_of().values()) == ["a", "b"]
    assert ("Scheduled", f"Successfully assigned default/p to {it.nodes_of()['p']}") in it.events()
    assert it.scheduler.stats.scheduled == 2
    assert len(it.scheduler.queue) == 0


async def test_pods_of_one_turn_are_bound_in_one_call(it: Fixture) -> None:
    for index in range(4):
        it.client.put(pod(f"p{index}"))
    await asyncio.sleep(0.1)
    assert it.client.batches == [4]


async def test_a_pod_that_fits_nowhere_says_why_and_is_placed_when_it_does(it: Fixture) -> None:
    it.client.put(pod("big", "3"))
    await asyncio.sleep(0.1)
    message = (
        "0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, "
        "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    )
    assert it.events() == [("FailedScheduling", message)]
    stored = it.client.peek(PODS, "default/big")
    assert stored is not None
    (condition,) = stored["status"]["conditions"]
    assert condition.pop("lastTransitionTime")
    assert condition == {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "observedGeneration": 1,
    }
    it.client.put(node("c", "4"))
    await asyncio.sleep(1.1)
    assert it.nodes_of()["big"] == "c"


async def test_the_condition_is_written_once_for_one_reason(it: Fixture) -> None:
    it.client.put(pod("big", "3"))
    await asyncio.sleep(700)
    assert it.scheduler.stats.unschedulable >= 3
    assert [write for write in it.client.writes if write[1] == "pods"] == [("patch/status", "pods", "default/big")]


async def test_room_that_another_pod_leaves_is_given_to_one_that_waits(it: Fixture) -> None:
    for name in ("p", "q"):
        it.client.put(pod(name, "2"))
    await asyncio.sleep(0.1)
    it.client.put(pod("late", "2"))
    await asyncio.sleep(5)
    assert it.nodes_of()["late"] == ""
    finished = it.client.peek(PODS, "default/p")
    assert finished is not None
    it.client.put(finished | {"status": {"phase": "Succeeded"}})
    await asyncio.sleep(5)
    assert it.nodes_of()["late"] == it.nodes_of()["p"]


async def test_room_that_a_pod_gives_up_by_a_resize_is_given_to_one_that_waits(it: Fixture) -> None:
    for name in ("p", "q"):
        it.client.put(pod(name, "2"))
    await asyncio.sleep(0.1)
    it.client.put(pod("late"))
    await asyncio.sleep(5)
    assert it.nodes_of()["late"] == ""
    it.client.put(pod("q", "1", nodeName=it.nodes_of()["q"]))
    await asyncio.sleep(5)
    assert it.nodes_of()["late"] == it.nodes_of()["q"]


async def test_what_a_shrinking_pod_still_has_is_not_given_away(it: Fixture) -> None:
    for name in ("p", "q"):
        it.client.put(pod(name, "2"))
    await asyncio.sleep(0.1)
    it.client.put(pod("late"))
    await asyncio.sleep(5)
    shrinking = pod("q", "1", nodeName=it.nodes_of()["q"])
    has = {"name": shrinking["spec"]["containers"][0]["name"], "resources": {"requests": {"cpu": "2"}}}
    it.client.put(shrinking | {"status": {"containerStatuses": [has]}})
    await asyncio.sleep(5)
    assert it.nodes_of()["late"] == ""
    it.client.put(shrinking)
    await asyncio.sleep(5)
    assert it.nodes_of()["late"] == it.nodes_of()["q"]


async def test_a_refused_binding_gives_the_room_back_and_is_tried_again(it: Fixture) -> None:
    it.client.refusals = [errors.conflict("pods", "", "p", errors.MODIFIED)]
    it.client.put(pod("p", "2"))
    await asyncio.sleep(0.5)
    assert it.nodes_of()["p"] == ""
    assert len(it.scheduler.cache) == 0
    await asyncio.sleep(1)
    assert it.nodes_of()["p"]
    assert it.scheduler.stats.refused == 1


async def test_an_api_server_that_is_away_costs_no_placement(it: Fixture) -> None:
    it.client.refusals = [RpcError("UNAVAILABLE", "away"), RpcError("UNAVAILABLE", "away")]
    for index in range(4):
        it.client.put(pod(f"p{index}"))
    await asyncio.sleep(10)
    assert sorted(it.nodes_of().values()) == ["a", "a", "b", "b"]


async def test_a_binding_that_is_forbidden_is_told(it: Fixture) -> None:
    it.client.refusals = [errors.Forbidden("no")]
    it.client.put(pod("p"))
    await asyncio.sleep(0.5)
    assert ("FailedScheduling", 'binding rejected: running Bind plugin "DefaultBinder": no') in it.events()
    await asyncio.sleep(2)
    assert it.nodes_of()["p"]


async def test_a_pod_that_vanished_before_its_binding_is_forgotten(it: Fixture) -> None:
    it.client.refusals = [errors.not_found("pods", "", "p")]
    it.client.put(pod("p"))
    await asyncio.sleep(0.1)
    assert len(it.scheduler.cache) == 0
    assert len(it.scheduler.queue) == 0


async def test_pods_that_are_bound_already_take_their_room() -> None:
    fixture = Fixture()
    fixture.client.put(pod("old", "2", nodeName="a"))
    fixture.client.put(pod("done", "2", nodeName="b") | {"status": {"phase": "Failed"}})
    fixture.client.put(pod("new", "2"))
    await fixture.scheduler.start()
    await asyncio.sleep(0.1)
    assert fixture.nodes_of()["new"] == "b"
    await fixture.scheduler.stop()


async def test_pods_of_other_schedulers_gated_and_deleting_ones_are_left_alone(it: Fixture) -> None:
    it.client.put(pod("other", schedulerName="mine"))
    it.client.put(pod("gated", schedulingGates=[{"name": "g"}]))
    deleting = pod("deleting")
    deleting["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x"]}
    it.client.put(deleting)
    await asyncio.sleep(1)
    assert it.nodes_of() == {"other": "", "gated": "", "deleting": ""}
    assert it.events() == []


async def test_a_deleted_node_gets_no_pods(it: Fixture) -> None:
    await asyncio.sleep(0.1)
    it.client.remove(NODES, "a")
    await asyncio.sleep(0.1)
    it.client.put(pod("p"))
    it.client.put(pod("q"))
    await asyncio.sleep(0.1)
    assert set(it.nodes_of().values()) == {"b"}


async def test_a_cordoned_node_takes_pods_again_when_it_is_uncordoned(it: Fixture) -> None:
    it.client.put(node("a", unschedulable=True))
    it.client.put(node("b", unschedulable=True))
    await asyncio.sleep(0.1)
    it.client.put(pod("p"))
    await asyncio.sleep(3)
    assert it.nodes_of()["p"] == ""
    it.client.put(node("b"))
    await asyncio.sleep(3)
    assert it.nodes_of()["p"] == "b"


async def test_one_pod_that_breaks_the_planner_does_not_keep_the_others(
    it: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = planner.plan

    def plan(nodes: Any, pods: Any, profile: Any, known: Any) -> Any:
        result = real(nodes, pods, profile, known)
        if any(each.name == "default/poison" for each in pods):
            raise RuntimeError("poison")
        return result

    monkeypatch.setattr(scheduler, "plan", plan)
    for name in ("p", "poison", "q"):
        it.client.put(pod(name))
    await asyncio.sleep(5)
    assert it.nodes_of()["poison"] == ""
    assert sorted([it.nodes_of()["p"], it.nodes_of()["q"]]) == ["a", "b"]


async def test_of_two_schedulers_with_a_lease_one_plans() -> None:
    clock = LoopClock()
    client = RejectingClient([node("a")], clock=clock)
    both = [Scheduler(client, clock, identity=name) for name in ("one", "two")]
    for each in both:
        await each.start()
    client.put(pod("p"))
    await asyncio.sleep(5)
    lease = client.peek(LEASES, "kube-system/kube-scheduler")
    assert lease is not None
    assert sorted(each.stats.scheduled for each in both) == [0, 1]
    leader = 0 if lease["spec"]["holderIdentity"] == "one" else 1
    await both[leader].stop()
    client.put(pod("q"))
    await asyncio.sleep(5)
    assert both[1 - leader].stats.scheduled == 1
    await both[1 - leader].stop()
