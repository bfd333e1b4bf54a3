"""Ingresses, network policies, address ranges and slices: what is refused, in which words, and what may change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Faults = Callable[..., list[str]]
SERVICE = {"service": {"name": "s", "port": {"number": 80}}}


def test_an_ingress_without_rules_and_backend_says_nothing(faults: Faults) -> None:
    text = "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"
    assert faults("Ingress", {}) == [text]
    assert faults("Ingress", {"spec": {"defaultBackend": SERVICE}}) == []


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ({"path": "/a", "pathType": "Prefix"}, None),
        ({"path": "", "pathType": "ImplementationSpecific"}, None),
        ({"path": "a", "pathType": "ImplementationSpecific"}, 'path: Invalid value: "a": must be an absolute path'),
        ({"path": "/a/../b", "pathType": "Exact"}, "path: Invalid value: \"/a/../b\": must not contain '/../'"),
        ({"path": "/a/..", "pathType": "Exact"}, "path: Invalid value: \"/a/..\": cannot end with '/..'"),
        ({"path": "/a%2Fb", "pathType": "Prefix"}, "path: Invalid value: \"/a%2Fb\": must not contain '%2F'"),
        ({"path": "/a"}, "pathType: Required value: pathType must be specified"),
    ],
)
def test_a_path_of_an_ingress_is_absolute_and_without_tricks(faults: Faults, path: Any, fault: str | None) -> None:
    found = faults("Ingress", {"spec": {"rules": [{"http": {"paths": [{**path, "backend": SERVICE}]}}]}})
    assert found == ([f"spec.rules[0].http.paths[0].{fault}"] if fault else [])


def test_the_old_annotation_has_to_name_the_class_that_the_spec_names(faults: Faults) -> None:
    body = {
        "metadata": {"name": "a", "annotations": {"kubernetes.io/ingress.class": "b"}},
        "spec": {"ingressClassName": "c", "defaultBackend": SERVICE},
    }
    text = 'annotations.kubernetes.io/ingress.class: Invalid value: "b": must match `ingressClassName` when both are '
    assert faults("Ingress", body) == [text + "specified"]


def test_addresses_in_an_ingress_status_are_addresses(make: Any, change: Any) -> None:
    old = make("Ingress", {"spec": {"defaultBackend": SERVICE}})
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "x"}, {"hostname": "10.0.0.1"}]}}}
    assert change(old, status, "status")[1] == [
        'status.loadBalancer.ingress[0].ip: Invalid value: "x": must be a valid IP address, '
        "(e.g. 10.9.8.7 or 2001:db8::ffff)",
        'status.loadBalancer.ingress[1].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
    ]


def test_a_network_policy_with_egress_rules_is_about_both_directions(make: Any) -> None:
    assert make("NetworkPolicy", {"spec": {}})["spec"]["policyTypes"] == ["Ingress"]
    assert make("NetworkPolicy", {"spec": {"egress": [{}]}})["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert make("NetworkPolicy", {"spec": {"egress": []}})["spec"]["policyTypes"] == ["Ingress"]


def test_exceptions_of_a_block_lie_strictly_within_it(faults: Faults) -> None:
    block = {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.0.0.0/8", "11.0.0.0/16"]}
    found = faults("NetworkPolicy", {"spec": {"ingress": [{"from": [{"ipBlock": block}]}]}})
    path, text = "spec.ingress[0].from[0].ipBlock.except", "must be a strict subset of `cidr`"
    assert found == [
        f'{path}[1]: Invalid value: "10.0.0.0/8": {text}',
        f'{path}[2]: Invalid value: "11.0.0.0/16": {text}',
    ]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("10.0.0.1", None),
        ("2001:db8::1", None),
        ("2001:DB8::1", 'must be in canonical form ("2001:db8::1")'),
        ("::ffff:1.2.3.4", "must not be an IPv4-mapped IPv6 address"),
        ("010.0.0.1", "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
    ],
)
def test_an_ip_address_is_named_by_its_canonical_form(faults: Faults, name: str, fault: str | None) -> None:
    body = {"metadata": {"name": name}, "spec": {"parentRef": {"resource": "services", "name": "s"}}}
    assert faults("IPAddress", body) == ([f'metadata.name: Invalid value: "{name}": {fault}'] if fault else [])


def test_the_parent_of_an_ip_address_is_required_and_stays(make: Any, change: Any, faults: Faults) -> None:
    assert faults("IPAddress", {"metadata": {"name": "10.0.0.1"}}) == ["spec.parentRef: Required value"]
    old = make("IPAddress", {"metadata": {"name": "10.0.0.1"}, "spec": {"parentRef": {"resource": "r", "name": "s"}}})
    shown = '{"Group":"","Resource":"r","Namespace":"","Name":"t"}'
    text = f"spec.parentRef: Invalid value: {shown}: field is immutable"
    assert change(old, {"spec": {"parentRef": {"name": "t"}}})[1] == [text]


def test_a_service_cidr_may_get_a_second_family_and_nothing_else(make: Any, change: Any) -> None:
    old = make("ServiceCIDR", {"spec": {"cidrs": ["10.0.0.0/24"]}})
    assert change(old, {"spec": {"cidrs": ["10.0.0.0/24", "fd00::/112"]}})[1] == []
    changed = change(old, {"spec": {"cidrs": ["10.1.0.0/24"]}})[1]
    assert changed == ['spec.cidrs[0]: Invalid value: "10.1.0.0/24": field is immutable']
    assert change(old, {"spec": {"cidrs": ["10.1.0.0/24", "fd00::/112"]}})[1] == [
        'spec.cidrs[0]: Invalid value: "10.1.0.0/24": primary CIDR can not be changed'
    ]


def test_labels_of_an_endpoint_slice_count_as_a_change_of_it(make: Any, change: Any) -> None:
    old = make("EndpointSlice", {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}]})
    assert change(old, {"metadata": {"labels": {"a": "b"}}})[0]["metadata"]["generation"] == 2
    assert change(old, {"metadata": {"annotations": {"a": "b"}}})[0]["metadata"]["generation"] == 1


def test_hints_of_an_endpoint_name_few_zones_each_once(faults: Faults) -> None:
    endpoint = {"addresses": ["10.0.0.1"], "hints": {"forZones": [{"name": "z"}, {"name": "z"}]}}
    found = faults("EndpointSlice", {"addressType": "IPv4", "endpoints": [endpoint]})
    assert found == ['endpoints[0].hints.forZones[1].name: Duplicate value: "z"']


def test_the_name_behind_an_endpoint_has_a_domain(faults: Faults) -> None:
    def of(address: str) -> list[str]:
        return faults("EndpointSlice", {"addressType": "FQDN", "endpoints": [{"addresses": [address]}]})

    assert of("db.example.com.") == []
    text = 'endpoints[0].addresses[0]: Invalid value: "db": should be a domain with at least two segments separated by '
    assert of("db") == [text + "dots"]
