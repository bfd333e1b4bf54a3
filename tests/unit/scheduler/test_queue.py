from __future__ import annotations

from typing import Any

from kube_actors.api import Obj
from kube_actors.scheduler.framework import ClusterEvent
from kube_actors.scheduler.plugins.registry import default_profile
from kube_actors.scheduler.pod import Pod, read_pod
from kube_actors.scheduler.queue import SchedulingQueue


def pod(name: str, priority: int = 0, created: int = 0, **spec: Any) -> Pod:
    obj: Obj = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": name,
            "creationTimestamp": f"2026-01-01T00:00:{created:02}Z",
        },
        "spec": {"containers": [{"name": "c", "image": "i"}], "priority": priority, **spec},
    }
    return read_pod(obj)


def names(pods: list[Pod]) -> list[str]:
    return [each.key for each in pods]


def fail(queue: SchedulingQueue, now: float, helps: ClusterEvent = ClusterEvent.NODE_ADD) -> None:
    (popped,) = queue.pop(1, now)
    queue.unschedulable(popped.key, helps, now)


async def test_pods_come_by_priority_then_by_age() -> None:
    queue = SchedulingQueue(default_profile().admits)
    for each in (pod("young", created=9), pod("old", created=1), pod("urgent", priority=10, created=30)):
        queue.add(each, 0.0)
    assert names(queue.pop(10, 0.0)) == ["urgent", "old", "young"]


async def test_a_pod_is_given_out_once() -> None:
    queue = SchedulingQueue(default_profile().admits)
    queue.add(pod("a"), 0.0)
    queue.add(pod("a"), 0.0)
    assert names(queue.pop(10, 0.0)) == ["a"]
    assert queue.pop(10, 0.0) == []
    queue.add(pod("a", created=5), 0.0)
    assert queue.pop(10, 0.0) == []


async def test_an_unschedulable_pod_waits_for_an_event_that_may_help() -> None:
    queue = SchedulingQueue(default_profile().admits)
    queue.add(pod("a"), 0.0)
    fail(queue, 0.0)
    queue.notice(ClusterEvent.POD_GONE)
    assert queue.pop(10, 5.0) == []
    queue.notice(ClusterEvent.NODE_ADD)
    assert names(queue.pop(10, 5.0)) == ["a"]


async def test_an_event_soon_after_a_failure_moves_the_pod_to_backoff() -> None:
    queue = SchedulingQueue(default_profile().admits)
    queue.add(pod("a"), 0.0)
    fail(queue, 10.0)
    queue.notice(ClusterEvent.NODE_ADD)
    assert queue.pop(10, 10.5) == []
    assert queue.counts()["backoff"] == 1
    assert queue.wake_up_at() == 11.0
    assert names(queue.pop(10, 11.0)) == ["a"]


async def test_backoff_doubles_up_to_ten_seconds() -> None:
    queue = SchedulingQueue(default_profile().admits)
    queue.add(pod("a"), 0.0)
    now, waits = 0.0, []
    for _ in range(6):
        (popped,) = queue.pop(1, now)
        queue.failed(popped.key, now)
        until = queue.wake_up_at()
        assert until is not None
        waits.append(until - now)
        now = until
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


async def test_nothing_waits_longer_than_five_minutes_without_another_try() -> None:
    queue = SchedulingQueue(default_profile().admits)
    queue.add(pod("a"), 0.0)
    fail(queue, 0.0, ClusterEvent.NONE)
    assert queue.wake_up_at() == 300.0
    assert queue.pop(10, 299.0) == []
    assert names(queue.pop(10, 300.0)) == ["a"]


async def test_a_change_of_the_pod_itself_is_a_reason_to_try_again() -> None:
    queue = SchedulingQueue(default_profile().admits)
    queue.add(pod("a"), 0.0)
    fail(queue, 0.0)
    queue.add(pod("a"), 5.0)
    assert queue.pop(10, 5.0) == []
    queue.add(pod("a", nodeSelector={"x": "y"}), 5.0)
    assert names(queue.pop(10, 5.0)) == ["a"]


async def test_a_gated_pod_waits_until_its_gates_are_gone() -> None:
    queue = SchedulingQueue(default_profile().admits)
    queue.add(pod("a", schedulingGates=[{"name": "g"}]), 0.0)
    assert queue.pop(10, 0.0) == []
    assert queue.counts()["gated"] == 1
    queue.add(pod("a"), 0.0)
    assert names(queue.pop(10, 0.0)) == ["a"]
    assert queue.counts()["gated"] == 0


async def test_a_removed_pod_is_not_given_out_wherever_it_was() -> None:
    queue = SchedulingQueue(default_profile().admits)
    for name in "abcd":
        queue.add(pod(name), 0.0)
    (first,) = queue.pop(1, 0.0)
    queue.unschedulable(first.key, ClusterEvent.NODE_ADD, 0.0)
    (second,) = queue.pop(1, 0.0)
    queue.failed(second.key, 0.0)
    (third,) = queue.pop(1, 0.0)
    for name in "abcd":
        queue.remove(name)
    queue.unschedulable(third.key, ClusterEvent.NODE_ADD, 0.0)
    queue.notice(ClusterEvent.ALL)
    assert queue.pop(10, 1000.0) == []
    assert len(queue) == 0
    assert queue.wake_up_at() is None


async def test_ready_is_set_when_there_is_something_to_do() -> None:
    queue = SchedulingQueue(default_profile().admits)
    queue.add(pod("a"), 0.0)
    assert queue.ready.is_set()
    fail(queue, 0.0)
    assert not queue.ready.is_set()
    queue.notice(ClusterEvent.NODE_ADD)
    assert queue.ready.is_set()
