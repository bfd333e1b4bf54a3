"""EndpointSlices of Endpoints that users write, and hints for proxies."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import Obj
from kube_actors.controllers.actions import CreateObject, DeleteObject, UpdateObject
from kube_actors.controllers.endpoints.mirror import LEADER, MAX_ADDRESSES, SKIP, is_mirrored, plan
from kube_actors.controllers.endpoints.slices import MAX_ENDPOINTS, endpoint

SERVICE = {"metadata": {"name": "db", "namespace": "default"}, "spec": {}}


def endpoints(*subsets: Obj, **metadata: Any) -> Obj:
    return {"metadata": {"name": "db", "namespace": "default", "uid": "e", **metadata}, "subsets": list(subsets)}


def subset(*ips: str, port: int = 5432, not_ready: tuple[str, ...] = ()) -> Obj:
    found: Obj = {"addresses": [{"ip": ip} for ip in ips], "ports": [{"name": "sql", "port": port}]}
    return found | ({"notReadyAddresses": [{"ip": ip} for ip in not_ready]} if not_ready else {})


def perform(present: list[Obj], actions: list[Any]) -> list[Obj]:
    """The slices after the writes."""
    by_name = {each["metadata"]["name"]: each for each in present}
    for number, action in enumerate(actions):
        if isinstance(action, CreateObject):
            new = copy.deepcopy(action.obj)
            new["metadata"]["name"] = f"db-{len(by_name)}-{number}"
            by_name[new["metadata"]["name"]] = new
        elif isinstance(action, UpdateObject):
            by_name[action.obj["metadata"]["name"]] = action.obj
        else:
            assert isinstance(action, DeleteObject)
            del by_name[action.name]
    return list(by_name.values())


def test_a_subset_becomes_a_slice_that_says_whose_it_is() -> None:
    (created,) = plan(endpoints(subset("10.0.0.1", not_ready=("10.0.0.2",)), labels={"a": "b"}), [])
    assert isinstance(created, CreateObject)
    made = created.obj
    assert made["metadata"]["labels"] == {
        "a": "b",
        "kubernetes.io/service-name": "db",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    assert made["metadata"]["ownerReferences"][0]["kind"] == "Endpoints"
    assert made["ports"] == [{"name": "sql", "protocol": "TCP", "port": 5432}]
    assert [(each["addresses"], each["conditions"]) for each in made["endpoints"]] == [
        (["10.0.0.1"], {"ready": True}),
        (["10.0.0.2"], {"ready": False}),
    ]


def test_what_has_a_selector_leads_or_asks_to_be_skipped_is_not_mirrored() -> None:
    assert is_mirrored(endpoints(), SERVICE)
    assert not is_mirrored(endpoints(), None)
    assert not is_mirrored(endpoints(), SERVICE | {"spec": {"selector": {"a": "b"}}})
    assert not is_mirrored(endpoints(labels={SKIP: "true"}), SERVICE)
    assert not is_mirrored(endpoints(annotations={LEADER: "{}"}), SERVICE)


def test_families_have_slices_of_their_own() -> None:
    created = plan(endpoints(subset("10.0.0.1", "fd00::1")), [])
    assert sorted(each.obj["addressType"] for each in created if isinstance(each, CreateObject)) == ["IPv4", "IPv6"]


def test_a_change_is_an_update_of_the_slice_that_is_there() -> None:
    before = perform([], plan(endpoints(subset("10.0.0.1")), []))
    (updated,) = plan(endpoints(subset("10.0.0.1", "10.0.0.2", port=5433)), before)
    assert isinstance(updated, UpdateObject)
    assert updated.obj["ports"][0]["port"] == 5433


IPS = st.lists(st.integers(1, 250).map(lambda number: f"10.0.0.{number}"), max_size=6, unique=True)


@given(st.lists(IPS, max_size=3), st.lists(IPS, max_size=3))
def test_any_change_converges_in_one_plan(before: list[list[str]], after: list[list[str]]) -> None:
    def of(parts: list[list[str]]) -> Obj:
        return endpoints(*(subset(*ips, port=number + 1) for number, ips in enumerate(parts)))

    slices = perform([], plan(of(before), []))
    slices = perform(slices, plan(of(after), slices))
    assert plan(of(after), slices) == []
    shown = sorted((each["ports"][0]["port"], entry["addresses"][0]) for each in slices for entry in each["endpoints"])
    assert shown == sorted((number + 1, ip) for number, ips in enumerate(after) for ip in ips)


def test_a_big_subset_is_spread_and_one_that_is_too_big_is_cut() -> None:
    ips = [f"10.{number // 65536}.{number // 256 % 256}.{number % 256}" for number in range(1, MAX_ADDRESSES + 50)]
    created = plan(endpoints(subset(*ips)), [])
    sizes = [len(each.obj["endpoints"]) for each in created if isinstance(each, CreateObject)]
    assert sum(sizes) == MAX_ADDRESSES
    assert max(sizes) == MAX_ENDPOINTS


def test_traffic_distribution_gives_hints_to_ready_endpoints() -> None:
    node = {"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "z1"}}}
    ready = {"type": "Ready", "status": "True"}
    pod: Obj = {
        "metadata": {"name": "p", "namespace": "default", "uid": "u"},
        "spec": {"nodeName": "n1"},
        "status": {"conditions": [ready]},
    }

    def hints(wish: str) -> Any:
        service = SERVICE | {"spec": {"trafficDistribution": wish}}
        return endpoint(service, pod, "10.0.0.1", node).get("hints")

    assert hints("PreferSameZone") == hints("PreferClose") == {"forZones": [{"name": "z1"}]}
    assert hints("PreferSameNode") == {"forZones": [{"name": "z1"}], "forNodes": [{"name": "n1"}]}
    assert hints("") is None
    pod["status"]["conditions"][0]["status"] = "False"
    assert hints("PreferClose") is None
