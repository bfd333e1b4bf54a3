from __future__ import annotations

from typing import Any

import pytest

from kube_actors.api import Obj
from kube_actors.scheduler.cache import Cache
from kube_actors.scheduler.framework import ClusterEvent
from kube_actors.scheduler.planner import Placement, plan
from kube_actors.scheduler.plugins.registry import default_profile
from kube_actors.scheduler.pod import read_pod


def node(name: str, cpu: str = "4", **spec: Any) -> Obj:
    status = {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}}
    return {"kind": "Node", "apiVersion": "v1", "metadata": {"name": name}, "spec": spec, "status": status}


def pod(name: str, node_name: str = "", cpu: str = "1") -> Obj:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    spec: Obj = {"containers": [container]} | ({"nodeName": node_name} if node_name else {})
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "d", "uid": name}, "spec": spec}


def taken(cache: Cache, name: str) -> int:
    row = cache.nodes.row(name)
    assert row is not None
    return int(cache.nodes.resources.requested[0, row])


@pytest.fixture
def cache() -> Cache:
    cache = Cache()
    cache.put_node(None, node("a"))
    return cache


def assume(cache: Cache, name: str) -> Placement:
    (placement,) = plan(cache.nodes, [read_pod(pod(name))], default_profile()).placements
    cache.assume(placement)
    return placement


def test_an_assumed_pod_takes_its_room_until_it_is_forgotten(cache: Cache) -> None:
    assume(cache, "p")
    assert taken(cache, "a") == 1000
    assert cache.is_assumed("p")
    cache.forget("p")
    assert taken(cache, "a") == 0
    assert not cache.is_assumed("p")


def test_an_assumed_pod_that_shows_bound_is_counted_once_and_cannot_be_forgotten(cache: Cache) -> None:
    assume(cache, "p")
    cache.put_pod(read_pod(pod("p", "a")))
    cache.forget("p")
    assert taken(cache, "a") == 1000
    assert cache.remove_pod("p")
    assert taken(cache, "a") == 0
    assert not cache.remove_pod("p")


def test_where_a_pod_shows_bound_elsewhere_the_informer_is_right(cache: Cache) -> None:
    cache.put_node(None, node("b"))
    placement = assume(cache, "p")
    other = "b" if placement.node == "a" else "a"
    cache.put_pod(read_pod(pod("p", other)))
    assert taken(cache, other) == 1000
    assert taken(cache, placement.node) == 0


def test_a_pod_is_not_assumed_twice(cache: Cache) -> None:
    placement = assume(cache, "p")
    with pytest.raises(ValueError, match="placed already"):
        cache.assume(placement)


def test_a_pod_that_changes_its_requests_in_place_is_counted_anew(cache: Cache) -> None:
    cache.put_pod(read_pod(pod("p", "a")))
    cache.put_pod(read_pod(pod("p", "a", cpu="2")))
    assert taken(cache, "a") == 2000


def test_pods_of_a_node_that_is_not_known_count_when_it_comes(cache: Cache) -> None:
    cache.put_pod(read_pod(pod("p", "later")))
    assert cache.nodes.count == 1
    cache.put_node(None, node("later"))
    assert taken(cache, "later") == 1000
    assert cache.nodes.count == 2


def test_a_node_that_goes_and_comes_back_has_its_pods(cache: Cache) -> None:
    cache.put_pod(read_pod(pod("p", "a")))
    cache.remove_node(node("a"))
    assert cache.nodes.count == 0
    cache.put_node(None, node("a"))
    assert taken(cache, "a") == 1000
    cache.remove_node(node("a"))
    cache.remove_pod("p")
    assert cache.nodes.row("a") is None


def test_rows_are_used_again(cache: Cache) -> None:
    for index in range(100):
        cache.put_node(None, node(f"n{index}"))
        cache.remove_node(node(f"n{index}"))
    assert len(cache.nodes.names) == 2


def test_many_nodes_make_the_columns_grow(cache: Cache) -> None:
    for index in range(100):
        cache.put_node(None, node(f"n{index}"))
        cache.put_pod(read_pod(pod(f"p{index}", f"n{index}", cpu=f"{index + 1}m")))
    assert [taken(cache, f"n{index}") for index in range(100)] == list(range(1, 101))


@pytest.mark.parametrize(
    ("changed", "event"),
    [
        (node("a"), ClusterEvent.NONE),
        (node("a", cpu="8"), ClusterEvent.NODE_ALLOCATABLE),
        (node("a", unschedulable=True), ClusterEvent.NODE_TAINT),
        (node("a", taints=[{"key": "k", "effect": "NoSchedule"}]), ClusterEvent.NODE_TAINT),
        (node("a") | {"metadata": {"name": "a", "labels": {"x": "y"}}}, ClusterEvent.NODE_LABEL),
    ],
)
def test_a_change_of_a_node_says_what_may_hope(cache: Cache, changed: Obj, event: ClusterEvent) -> None:
    assert cache.put_node(node("a"), changed) == event


def test_columns_made_anew_are_the_same(cache: Cache) -> None:
    assume(cache, "p")
    cache.put_pod(read_pod(pod("q", "a", cpu="2")))
    cache.rebuild([node("a")])
    assert taken(cache, "a") == 3000
    cache.forget("p")
    assert taken(cache, "a") == 2000
