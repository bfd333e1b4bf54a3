"""What the table of services says, for given Services and EndpointSlices."""

from __future__ import annotations

from typing import Any

from kube_actors.network.nftables import render
from kube_actors.network.services import Endpoint, ServicePort, plan


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    base = {"clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "ports": [{"port": 80, "protocol": "TCP"}]}
    return {"metadata": {"namespace": "shop", "name": name}, "spec": base | spec}


def endpoint(ip: str, node: str = "n1", **conditions: bool) -> dict[str, Any]:
    return {"addresses": [ip], "nodeName": node, "conditions": conditions or {"ready": True}}


def slice_of(*endpoints: dict[str, Any], service_name: str = "web", port: int = 8080) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": "s", "labels": {"kubernetes.io/service-name": service_name}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": port, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }


def only(services: list[dict[str, Any]], slices: list[dict[str, Any]], node: str = "n1") -> ServicePort:
    (port,) = plan(services, slices, node)
    return port


def test_a_service_gets_the_ready_endpoints_of_all_its_slices() -> None:
    port = only([service()], [slice_of(endpoint("10.244.0.2")), slice_of(endpoint("10.244.1.2", "n2"))])
    assert port.internal_endpoints == (Endpoint("10.244.0.2", 8080, True), Endpoint("10.244.1.2", 8080, False))


def test_endpoints_that_are_not_ready_get_nothing() -> None:
    port = only([service()], [slice_of(endpoint("10.244.0.2", ready=False), endpoint("10.244.0.3", ready=True))])
    assert [target.ip for target in port.endpoints] == ["10.244.0.3"]


def test_terminating_endpoints_serve_only_where_no_other_is_ready() -> None:
    ending = endpoint("10.244.0.2", ready=False, serving=True, terminating=True)
    assert [e.ip for e in only([service()], [slice_of(ending)]).endpoints] == ["10.244.0.2"]
    both = only([service()], [slice_of(ending, endpoint("10.244.0.3"))])
    assert [e.ip for e in both.endpoints] == ["10.244.0.3"]


def test_headless_and_external_name_services_have_no_table_entry() -> None:
    headless = service(clusterIP="None", clusterIPs=["None"])
    external = service("ext", type="ExternalName", clusterIP="", clusterIPs=[])
    assert plan([headless, external], [], "n1") == ()


def test_local_policies_leave_only_the_endpoints_of_this_node() -> None:
    slices = [slice_of(endpoint("10.244.0.2"), endpoint("10.244.1.2", "n2"))]
    port = only([service(internalTrafficPolicy="Local", externalTrafficPolicy="Cluster")], slices)
    assert [e.ip for e in port.internal_endpoints] == ["10.244.0.2"]
    assert len(port.external_endpoints) == 2


def test_ports_are_matched_by_name_and_protocol() -> None:
    named = service(
        ports=[{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    )
    found = slice_of(endpoint("10.244.0.2"))
    found["ports"] = [{"name": "http", "port": 1, "protocol": "TCP"}, {"name": "dns", "port": 2, "protocol": "UDP"}]
    ports = {port.port_name: port.endpoints[0].port for port in plan([named], [found], "n1")}
    assert ports == {"http": 1, "dns": 2}


def test_client_affinity_has_the_default_of_three_hours() -> None:
    assert only([service(sessionAffinity="ClientIP")], []).affinity_seconds == 10_800
    assert only([service()], []).affinity_seconds == 0


def test_the_rules_reject_a_service_without_endpoints() -> None:
    text = render(plan([service()], [], "n1"), "t")
    assert "10.96.0.10 . tcp . 80" in text
    assert "dnat" not in text.replace("ct status dnat", "")


def test_the_rules_choose_at_random_or_by_the_clients_address() -> None:
    slices = [slice_of(endpoint("10.244.0.2"), endpoint("10.244.0.3"))]
    assert "numgen random mod 2" in render(plan([service()], slices, "n1"), "t")
    assert "jhash ip saddr mod 2" in render(plan([service(sessionAffinity="ClientIP")], slices, "n1"), "t")


def test_node_ports_are_masqueraded_unless_their_policy_is_local() -> None:
    slices = [slice_of(endpoint("10.244.0.2"))]
    ports = [{"port": 80, "protocol": "TCP", "nodePort": 30080}]
    assert "meta mark set" in render(plan([service(ports=ports)], slices, "n1"), "t")
    local = service(ports=ports, externalTrafficPolicy="Local")
    assert "meta mark set" not in render(plan([local], slices, "n1"), "t")
