"""What a Service may say about its addresses, families, ports and policies."""

from __future__ import annotations

from typing import Any

import pytest

from kube_actors.api.resources import SERVICES
from kube_actors.api.service_families import settle
from kube_actors.api.validation import validate_status_update, validate_update
from tests.unit.api.objects import made, messages, patched

DUAL = ("IPv4", "IPv6")
PORT = {"port": 80}


def service(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "spec": {"ports": [PORT], **spec}}


def changes(old: dict[str, Any], spec: dict[str, Any]) -> list[str]:
    before = made(SERVICES, service(**old))
    found = validate_update(SERVICES, patched(SERVICES, before, {"spec": spec}), before)
    return [f"{cause.field}: {cause.message}" for cause in found]


@pytest.mark.parametrize(
    ("spec", "configured", "families", "policy"),
    [
        ({}, ("IPv4",), ["IPv4"], "SingleStack"),
        ({}, ("IPv6", "IPv4"), ["IPv6"], "SingleStack"),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, ("IPv4",), ["IPv4", "IPv6"], "RequireDualStack"),
        ({"clusterIP": "None", "clusterIPs": ["None"], "selector": {"a": "b"}}, ("IPv4",), ["IPv4"], "SingleStack"),
        ({"ipFamilyPolicy": "PreferDualStack"}, ("IPv4",), ["IPv4"], "PreferDualStack"),
        ({"ipFamilyPolicy": "PreferDualStack"}, DUAL, ["IPv4", "IPv6"], "PreferDualStack"),
        ({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}, DUAL, ["IPv6", "IPv4"], "RequireDualStack"),
        ({"clusterIP": "::1", "clusterIPs": ["::1"]}, DUAL, ["IPv6"], "SingleStack"),
    ],
)
def test_families_follow_from_what_is_said_and_what_the_cluster_has(
    spec: dict[str, Any], configured: tuple[str, ...], families: list[str], policy: str
) -> None:
    assert settle(spec, {}, configured) == []
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (families, policy)
    again = dict(spec)
    assert settle(again, spec, configured) == []
    assert again == spec


@pytest.mark.parametrize(
    ("spec", "before", "refusal"),
    [
        ({"ipFamilies": ["IPv6"]}, {}, 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'),
        ({"ipFamilyPolicy": "RequireDualStack"}, {},
         'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack '
         "services"),
        ({"clusterIP": "::1", "clusterIPs": ["::1"]}, {},
         'spec.clusterIPs[0]: Invalid value: ["::1"]: IPv6 is not configured on this cluster'),
        ({"ipFamilies": ["IPv4", "IPv6"]}, {},
         "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when "
         "multiple IP families are specified"),
        ({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"]},
         {"ipFamilyPolicy": "PreferDualStack", "clusterIPs": ["10.0.0.1", "::1"], "ipFamilies": ["IPv4", "IPv6"]},
         "spec.ipFamilyPolicy: Invalid value: \"PreferDualStack\": must be 'SingleStack' to release the secondary "
         "cluster IP"),
    ],
)  # fmt: skip
def test_families_that_cannot_be_are_refused(spec: dict[str, Any], before: dict[str, Any], refusal: str) -> None:
    assert [f"{cause.field}: {cause.message}" for cause in settle(spec, before)] == [refusal]


def test_a_service_that_becomes_single_stack_gives_its_second_address_back() -> None:
    before = {"ipFamilyPolicy": "PreferDualStack", "clusterIPs": ["10.0.0.1", "::1"], "ipFamilies": ["IPv4", "IPv6"]}
    spec = {**before, "clusterIP": "10.0.0.1", "ipFamilyPolicy": "SingleStack"}
    assert settle(spec, before, DUAL) == []
    assert (spec["clusterIPs"], spec["ipFamilies"]) == (["10.0.0.1"], ["IPv4"])


@pytest.mark.parametrize(
    ("spec", "refusals"),
    [
        ({"type": "ExternalName", "externalName": "example.com.", "ports": []}, []),
        ({"type": "ExternalName", "ports": []}, ["spec.externalName: Required value"]),
        ({"clusterIP": "None", "type": "NodePort"},
         ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"]),
        ({"ports": [{"port": 80, "name": "a", "nodePort": 3}, {"port": 80, "name": "b", "nodePort": 3}],
          "type": "NodePort"}, [
            "spec.ports[1].nodePort: Duplicate value: 3",
            'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,'
            '"NodePort":0}',
        ]),
        ({"ports": [{"port": 80, "nodePort": 3}]},
         ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]),
        ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}}, [
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less "
            "than 86400",
        ]),
        ({"loadBalancerSourceRanges": ["10.0.0.0/33"]}, [
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
            'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.0/33": must be a valid CIDR value, (e.g. '
            "10.9.8.0/24 or 2001:db8::/64)",
        ]),
        ({"internalTrafficPolicy": "Far", "trafficDistribution": "Far"}, [
            'spec.internalTrafficPolicy: Unsupported value: "Far": supported values: "Cluster", "Local"',
            'spec.trafficDistribution: Unsupported value: "Far": supported values: "PreferClose", "PreferSameZone", '
            '"PreferSameNode"',
        ]),
        ({"healthCheckNodePort": 3}, [
            "spec.healthCheckNodePort: Invalid value: 3: may only be set when `type` is 'LoadBalancer' and "
            "`externalTrafficPolicy` is 'Local'",
        ]),
    ],
)  # fmt: skip
def test_a_service_is_refused_in_the_words_of_kubernetes(spec: dict[str, Any], refusals: list[str]) -> None:
    assert messages(SERVICES, service(**spec)) == refusals


def test_annotations_that_were_fields_before_are_checked_as_these() -> None:
    obj = service()
    obj["metadata"]["annotations"] = {
        "service.kubernetes.io/topology-aware-hints": "a",
        "service.kubernetes.io/topology-mode": "b",
        "service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8, x",
    }
    assert messages(SERVICES, obj) == [
        'metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "b": must match '
        "annotations[service.kubernetes.io/topology-aware-hints] when both are specified",
        "metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Forbidden: may only be used "
        "when `type` is 'LoadBalancer'",
        'metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Invalid value: "x": must be a '
        "valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
    ]


def test_the_first_address_of_a_service_stays() -> None:
    old = {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"]}
    new = {"clusterIP": "10.0.0.2", "clusterIPs": ["10.0.0.2"]}
    assert changes(old, new) == ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set']
    assert changes(old, {"ipFamilies": ["IPv6"], "clusterIPs": ["10.0.0.1"]})[0] == (
        'spec.ipFamilies[0]: Invalid value: ["IPv6"]: may not change once set'
    )


def test_the_class_of_a_load_balancer_stays() -> None:
    assert changes({"type": "LoadBalancer", "loadBalancerClass": "a.b/c"}, {"loadBalancerClass": "a.b/d"}) == [
        'spec.loadBalancerClass: Invalid value: "a.b/d": may not change once set'
    ]


@pytest.mark.parametrize(
    ("kind", "ingress", "refusals"),
    [
        ("LoadBalancer", {"ip": "10.0.0.1", "ipMode": "VIP"}, []),
        ("ClusterIP", {"ip": "10.0.0.1"},
         ["status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"]),
        ("LoadBalancer", {"hostname": "a.example", "ipMode": "VIP"},
         ["status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set"]),
        ("LoadBalancer", {"ip": "10.0.0.1", "ipMode": "Odd"},
         ['status.loadBalancer.ingress[0].ipMode: Unsupported value: "Odd": supported values: "Proxy", "VIP"']),
    ],
)  # fmt: skip
def test_only_load_balancers_are_reached_through_one(kind: str, ingress: dict[str, Any], refusals: list[str]) -> None:
    old = made(SERVICES, service(type=kind))
    new = {**old, "status": {"loadBalancer": {"ingress": [ingress]}}}
    assert [f"{one.field}: {one.message}" for one in validate_status_update(SERVICES, new, old)] == refusals
