"""Endpoints and EndpointSlices: plans, and the controllers against a server in memory."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_actors.api import Obj, errors
from kube_actors.api.meta import labels_of, name_of
from kube_actors.api.resources import ENDPOINT_SLICES, ENDPOINTS, EVENTS, PODS, SERVICES
from kube_actors.controllers.endpoints import plan as endpoints_plan
from kube_actors.controllers.endpoints import slices
from kube_actors.controllers.endpoints.controller import EndpointsController
from kube_actors.controllers.endpoints.slice_controller import EndpointSliceController


def service(**spec: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default", "uid": "s", "labels": {"team": "a"}},
        "spec": {
            "selector": {"app": "a"},
            "clusterIP": "10.96.0.9",
            "ipFamilies": ["IPv4"],
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": "web"}],
            **spec,
        },
    }


def pod(number: int, *, ready: bool = True, port: int = 8080, node: str = "n1", **extra: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"p{number}",
            "namespace": "default",
            "uid": f"u{number:04}",
            "labels": {"app": "a"},
            **extra.get("metadata", {}),
        },
        "spec": {
            "nodeName": node,
            "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": port, "protocol": "TCP"}]}],
            **extra.get("spec", {}),
        },
        "status": {
            "phase": "Running",
            "podIP": f"10.0.{number // 250}.{number % 250}",
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True" if ready else "False",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }
            ],
        },
    }


NODE: Obj = {"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "z1"}}, "spec": {}}
DELETING = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def node(name: str) -> Obj | None:
    return NODE if name == "n1" else None


class Store:
    """EndpointSlices as a server would keep them."""

    def __init__(self) -> None:
        self.slices: dict[str, Obj] = {}
        self.writes = 0
        self._next = 0

    def reconcile(self, svc: Obj, pods: list[Obj]) -> slices.SlicePlan:
        planned = slices.plan(svc, pods, copy.deepcopy(list(self.slices.values())), node)
        for created in planned.create:
            self._next += 1
            obj = copy.deepcopy(created.obj)
            obj["metadata"] |= {"name": f"web-{self._next}", "uid": f"slice{self._next}"}
            self.slices[obj["metadata"]["name"]] = obj
        for updated in planned.update:
            self.slices[name_of(updated.obj)] = copy.deepcopy(updated.obj)
        for deleted in planned.delete:
            del self.slices[deleted.name]
        self.writes = len(planned.create) + len(planned.update) + len(planned.delete)
        return planned

    def endpoints(self) -> list[Obj]:
        return [entry for each in self.slices.values() for entry in each["endpoints"]]


def test_a_slice_says_all_about_an_endpoint() -> None:
    store = Store()
    own = pod(1, spec={"hostname": "one", "subdomain": "web"})
    store.reconcile(service(), [own])
    (only,) = store.slices.values()
    assert only["addressType"] == "IPv4"
    assert only["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
    assert only["metadata"]["labels"] == {
        "team": "a",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert only["metadata"]["generateName"] == "web-"
    assert only["metadata"]["ownerReferences"][0]["uid"] == "s"
    assert only["endpoints"] == [
        {
            "addresses": ["10.0.0.1"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": "default", "name": "p1", "uid": "u0001"},
            "nodeName": "n1",
            "zone": "z1",
            "hostname": "one",
        }
    ]


@pytest.mark.parametrize(
    ("ready", "terminating", "publish", "expected"),
    [
        (True, False, False, (True, True, False)),
        (False, False, False, (False, False, False)),
        (True, True, False, (False, True, True)),
        (False, True, False, (False, False, True)),
        (False, False, True, (True, False, False)),
        (True, True, True, (True, True, True)),
    ],
)
def test_conditions_of_an_endpoint(
    ready: bool, terminating: bool, publish: bool, expected: tuple[bool, bool, bool]
) -> None:
    one = pod(1, ready=ready, metadata=DELETING if terminating else {})
    store = Store()
    store.reconcile(service(publishNotReadyAddresses=publish), [one])
    conditions = store.endpoints()[0]["conditions"]
    assert (conditions["ready"], conditions["serving"], conditions["terminating"]) == expected


def test_a_service_without_pods_has_one_empty_slice() -> None:
    store = Store()
    store.reconcile(service(), [])
    (only,) = store.slices.values()
    assert (only["endpoints"], only["ports"]) == ([], [])
    assert store.reconcile(service(), []).empty


def test_the_empty_slice_is_used_for_the_first_pod_and_the_last_slice_for_emptiness() -> None:
    store = Store()
    store.reconcile(service(), [])
    store.reconcile(service(), [pod(1)])
    assert (len(store.slices), store.writes) == (1, 1)
    store.reconcile(service(), [])
    assert (len(store.slices), store.writes) == (1, 1)
    assert store.endpoints() == []


def test_a_headless_service_is_labelled_as_such() -> None:
    store = Store()
    store.reconcile(service(clusterIP="None", ports=[]), [pod(1)])
    (only,) = store.slices.values()
    assert labels_of(only)["service.kubernetes.io/headless"] == ""
    assert only["ports"] == []
    assert len(only["endpoints"]) == 1


def test_pods_with_other_numbers_behind_a_port_name_have_slices_of_their_own() -> None:
    store = Store()
    store.reconcile(service(), [pod(1), pod(2, port=9090), pod(3)])
    ports = sorted((each["ports"][0]["port"], len(each["endpoints"])) for each in store.slices.values())
    assert ports == [(8080, 2), (9090, 1)]


def test_a_change_of_one_pod_among_250_writes_one_slice() -> None:
    store = Store()
    pods = [pod(number) for number in range(250)]
    store.reconcile(service(), pods)
    assert sorted(len(each["endpoints"]) for each in store.slices.values()) == [50, 100, 100]
    pods[17] = pod(17, ready=False)
    store.reconcile(service(), pods)
    assert store.writes == 1
    store.reconcile(service(), [*pods, pod(251)])
    assert store.writes == 1


def test_pods_of_unknown_nodes_wait_unless_everything_is_published() -> None:
    stray = pod(1, node="unknown")
    store = Store()
    assert store.reconcile(service(), [stray]).unplaced == 1
    assert store.endpoints() == []
    store.reconcile(service(publishNotReadyAddresses=True), [stray])
    assert len(store.endpoints()) == 1


def test_each_address_family_has_slices_of_its_own() -> None:
    both = pod(1)
    both["status"]["podIPs"] = [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]
    store = Store()
    store.reconcile(service(ipFamilies=["IPv4", "IPv6"]), [both])
    assert {each["addressType"]: each["endpoints"][0]["addresses"] for each in store.slices.values()} == {
        "IPv4": ["10.0.0.1"],
        "IPv6": ["fd00::1"],
    }


@given(rounds=st.lists(st.sets(st.integers(0, 260), max_size=230), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_slices_hold_exactly_the_pods_and_a_second_plan_is_empty(rounds: list[set[int]]) -> None:
    store = Store()
    for members in rounds:
        pods = [pod(number, ready=number % 3 > 0) for number in sorted(members)]
        store.reconcile(service(), pods)
        found = [entry["targetRef"]["uid"] for entry in store.endpoints()]
        assert sorted(found) == [f"u{number:04}" for number in sorted(members)]
        assert all(len(each["endpoints"]) <= slices.MAX_ENDPOINTS for each in store.slices.values())
        assert store.slices
        assert slices.plan(service(), pods, copy.deepcopy(list(store.slices.values())), node).empty


def test_endpoints_separate_ready_and_not_ready_and_leave_terminating_pods_out() -> None:
    pods = [pod(2), pod(1), pod(3, ready=False), pod(4, metadata=DELETING)]
    (created,) = endpoints_plan.plan(service(), pods, None)
    (subset,) = created.obj["subsets"]
    assert [each["ip"] for each in subset["addresses"]] == ["10.0.0.1", "10.0.0.2"]
    assert [each["ip"] for each in subset["notReadyAddresses"]] == ["10.0.0.3"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert created.obj["metadata"]["labels"] == {
        "team": "a",
        "endpoints.kubernetes.io/managed-by": "endpoint-controller",
    }
    present = copy.deepcopy(created.obj)
    assert endpoints_plan.plan(service(), list(reversed(pods)), present) == []


def test_endpoints_of_more_than_1000_addresses_are_cut_and_say_so() -> None:
    (created,) = endpoints_plan.plan(service(), [pod(number, ready=number > 300) for number in range(1301)], None)
    (subset,) = created.obj["subsets"]
    assert len(subset["addresses"]) == 1000
    assert "notReadyAddresses" not in subset
    assert created.obj["metadata"]["annotations"]["endpoints.kubernetes.io/over-capacity"] == "truncated"


@pytest.mark.looptime
async def test_both_follow_the_pods_of_a_service(server: Any, run: Any, of: Any) -> None:
    server.put(of("Node", "n1"))
    server.put(service())
    server.put(pod(1))
    await run(EndpointsController, EndpointSliceController)
    server.put(pod(2, ready=False))
    await asyncio.sleep(1)
    endpoints = server.peek(ENDPOINTS, "default/web")
    assert len(endpoints["subsets"][0]["addresses"]) == 1
    assert len(endpoints["subsets"][0]["notReadyAddresses"]) == 1
    (only,) = server.objects(ENDPOINT_SLICES)
    assert [each["conditions"]["ready"] for each in only["endpoints"]] == [True, False]
    relabelled = pod(1, metadata={"labels": {"app": "b"}})
    server.put(relabelled)
    await asyncio.sleep(1)
    (only,) = server.objects(ENDPOINT_SLICES)
    assert [each["targetRef"]["name"] for each in only["endpoints"]] == ["p2"]


@pytest.mark.looptime
async def test_what_is_refused_is_told(server: Any, run: Any, of: Any) -> None:
    for resource in (ENDPOINTS, ENDPOINT_SLICES):
        server.fail("create", resource, errors.Forbidden("no"), times=1)
    server.put(service())
    await run(EndpointsController, EndpointSliceController)
    server.fail("update", ENDPOINTS, errors.Forbidden("not that"), times=1)
    server.put(pod(1))
    await asyncio.sleep(2)
    told = {(event["source"]["component"], event["reason"], event["message"]) for event in server.objects(EVENTS)}
    assert told == {
        ("endpoint-controller", "FailedToCreateEndpoint", "Failed to create endpoint for service default/web: no"),
        ("endpoint-controller", "FailedToUpdateEndpoint", "Failed to update endpoint default/web: not that"),
        (
            "endpoint-slice-controller", "FailedToUpdateEndpointSlices",
            "Error updating Endpoint Slices for Service default/web: no",
        ),
    }  # fmt: skip


@pytest.mark.looptime
async def test_a_deleted_slice_comes_back_and_endpoints_go_with_the_service(server: Any, run: Any, of: Any) -> None:
    server.put(service())
    await run(EndpointsController, EndpointSliceController)
    (only,) = server.objects(ENDPOINT_SLICES)
    server.remove(ENDPOINT_SLICES, f"default/{name_of(only)}")
    await asyncio.sleep(1)
    assert len(server.objects(ENDPOINT_SLICES)) == 1
    server.remove(SERVICES, "default/web")
    await asyncio.sleep(1)
    assert server.objects(ENDPOINTS) == []


@pytest.mark.looptime
async def test_a_late_cache_does_not_double_the_slices(server: Any, run: Any, of: Any) -> None:
    server.lag = 5.0
    server.put(of("Node", "n1"))
    server.put(service())
    await run(EndpointSliceController)
    for number in range(8):
        server.put(pod(number))
        await asyncio.sleep(1)
    await asyncio.sleep(60)
    (only,) = server.objects(ENDPOINT_SLICES)
    assert len(only["endpoints"]) == 8


@pytest.mark.looptime
async def test_a_heartbeat_of_a_pod_concerns_no_service(server: Any, run: Any, of: Any) -> None:
    server.put(of("Node", "n1"))
    server.put(service())
    server.put(pod(1))
    manager = await run(EndpointsController, EndpointSliceController)
    before = manager.counters.of("endpoint").syncs, manager.counters.of("endpointslice").syncs
    touched = server.peek(PODS, "default/p1")
    touched["status"]["startTime"] = "2026-01-01T00:00:00Z"
    server.put(touched)
    await asyncio.sleep(1)
    assert (manager.counters.of("endpoint").syncs, manager.counters.of("endpointslice").syncs) == before


@pytest.mark.looptime
async def test_services_without_a_selector_are_left_to_others(server: Any, run: Any, of: Any) -> None:
    server.put(service(selector=None))
    await run(EndpointsController, EndpointSliceController)
    assert server.changes() == []
