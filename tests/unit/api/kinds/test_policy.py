"""Autoscalers, budgets, roles, flow control, signing requests, API services."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Faults = Callable[..., list[str]]
TARGET = {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}


def autoscaler(**spec: Any) -> dict[str, Any]:
    return {"spec": {"maxReplicas": 5, "scaleTargetRef": TARGET, **spec}}


def test_rules_of_scaling_without_policies_get_kubernetes_own(make: Any, faults: Faults) -> None:
    rules = make("HorizontalPodAutoscaler", autoscaler(behavior={"scaleDown": {}}), "v2")["spec"]["behavior"]
    assert rules["scaleDown"] == {
        "selectPolicy": "Max",
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
    }
    found = faults("HorizontalPodAutoscaler", autoscaler(behavior={"scaleUp": {"policies": []}}), "v2")
    assert found == ["spec.behavior.scaleUp.policies: Required value: must specify at least one Policy"]


def test_what_is_scaled_is_of_an_api_group_but_for_replication_controllers(faults: Faults) -> None:
    def found(version: str, kind: str = "Deployment") -> list[str]:
        target = {"kind": kind, "name": "d", "apiVersion": version}
        return faults("HorizontalPodAutoscaler", autoscaler(scaleTargetRef=target), "v2")

    field, fault = "spec.scaleTargetRef.apiVersion", "apiVersion must specify API group"
    assert found("") == [f'{field}: Invalid value: "": {fault}']
    assert found("v1") == [f'{field}: Invalid value: "v1": {fault}']
    assert found("v1", "ReplicationController") == found("apps/v1") == []
    assert found("a/b/c") == [f'{field}: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c']


def test_a_fault_of_the_old_version_is_one_of_the_metric_that_it_stands_for(faults: Faults) -> None:
    found = faults("HorizontalPodAutoscaler", autoscaler(targetCPUUtilizationPercentage=0), "v1")
    path = "spec.metrics[0].resource.target.averageUtilization"
    assert found == [f"{path}: Invalid value: 0: must be greater than 0"]


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ({"type": "Utilization", "averageUtilization": 50}, None),
        ({"type": "AverageValue", "averageValue": "1"}, None),
        (
            {"type": "Utilization", "averageUtilization": 50, "averageValue": "1"},
            "averageValue: Forbidden: may not set both a target raw value and a target utilization",
        ),
        (
            {"type": "Utilization"},
            "averageUtilization: Required value: must set either a target raw value or a target utilization",
        ),
    ],
)
def test_a_resource_metric_has_one_target(faults: Faults, target: Any, fault: str | None) -> None:
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    found = faults("HorizontalPodAutoscaler", autoscaler(metrics=[metric]), "v2")
    assert found == ([f"spec.metrics[0].resource.target.{fault}"] if fault else [])


def test_nothing_scales_to_zero_by_what_pods_say_of_themselves(faults: Faults) -> None:
    assert faults("HorizontalPodAutoscaler", autoscaler(minReplicas=0), "v2") == [
        "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
        "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero "
        "replicas",
    ]


def test_a_budget_says_one_of_both_bounds(faults: Faults) -> None:
    found = faults("PodDisruptionBudget", {"spec": {"minAvailable": 1, "maxUnavailable": "50%"}})
    assert len(found) == 1
    assert found[0].endswith("minAvailable and maxUnavailable cannot be both set")
    above = faults("PodDisruptionBudget", {"spec": {"maxUnavailable": "101%"}})
    assert above == ['spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%']


def test_a_role_of_a_namespace_says_nothing_about_urls(faults: Faults) -> None:
    rules = {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]}
    text = 'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs'
    assert faults("Role", rules) == [text]
    assert faults("ClusterRole", rules) == []


def test_a_binding_keeps_its_role_and_may_change_its_subjects(make: Any, change: Any) -> None:
    old = make("RoleBinding", {"roleRef": {"kind": "Role", "name": "r"}})
    assert old["roleRef"]["apiGroup"] == "rbac.authorization.k8s.io"
    assert change(old, {"subjects": [{"kind": "User", "name": "u"}]})[1] == []
    found = change(old, {"roleRef": {"name": "s"}})[1]
    shown = '{"APIGroup":"rbac.authorization.k8s.io","Kind":"Role","Name":"s"}'
    assert found == [f"roleRef: Invalid value: {shown}: cannot change roleRef"]


def test_the_mandatory_levels_stay_but_for_the_shares_of_the_exempt(make: Any, change: Any) -> None:
    exempt = make("PriorityLevelConfiguration", {"metadata": {"name": "exempt"}, "spec": {"type": "Exempt"}})
    assert change(exempt, {"spec": {"exempt": {"lendablePercent": 50}}})[1] == []
    response = {"limitResponse": {"type": "Reject"}, "nominalConcurrencyShares": 5}
    body = {"metadata": {"name": "catch-all"}, "spec": {"type": "Limited", "limited": response}}
    found = change(make("PriorityLevelConfiguration", body), {"spec": {"limited": {"nominalConcurrencyShares": 6}}})[1]
    assert len(found) == 1
    assert found[0].endswith("spec of 'catch-all' must equal the fixed value")


def test_a_hand_of_queues_needs_no_more_bits_than_a_hash_has(faults: Faults) -> None:
    queuing = {"queues": 512, "handSize": 8, "queueLengthLimit": 50}
    limited = {"limitResponse": {"type": "Queue", "queuing": queuing}}
    assert faults("PriorityLevelConfiguration", {"spec": {"type": "Limited", "limited": limited}}) == [
        "spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits of deckSize 512 and "
        "handSize 8 should not be greater than 60"
    ]


@pytest.fixture(scope="module")
def request_text() -> str:
    """A request for a certificate, as the field holds it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "jane")])
    pem = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return base64.b64encode(pem.public_bytes(serialization.Encoding.PEM)).decode()


def signing_request(text: str, **spec: Any) -> dict[str, Any]:
    return {"spec": {"request": text, "signerName": "example.com/s", "usages": ["client auth"], **spec}}


def test_a_signing_request_is_its_writers_whatever_it_says(make: Any, request_text: str) -> None:
    spec = make("CertificateSigningRequest", signing_request(request_text, username="forged", groups=["g"]))["spec"]
    assert (spec["username"], spec["uid"], spec["groups"], spec["extra"]) == ("ann", "7", ["dev"], {"scope": ["a"]})


def test_only_the_approval_subresource_decides_and_nobody_undoes_it(make: Any, change: Any, request_text: str) -> None:
    old = make("CertificateSigningRequest", signing_request(request_text))
    decision = {"status": {"conditions": [{"type": "Approved", "status": "True"}]}}
    text = 'status.conditions: Forbidden: updates may not add a condition of type "Approved"'
    assert change(old, decision, "status")[1] == [text]
    approved, found = change(old, decision, "approval")
    assert found == []
    assert approved["status"]["conditions"][0]["lastUpdateTime"] == "2026-01-01T00:00:00Z"
    reworded = {"status": {"conditions": [{**approved["status"]["conditions"][0], "message": "m"}]}}
    text = 'status.conditions: Forbidden: updates may not modify a condition of type "Approved"'
    assert change(approved, reworded, "status")[1] == [text]
    assert change(approved, reworded, "approval")[1] == []
    text = 'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'
    assert change(approved, {"status": {"conditions": []}}, "approval")[1] == [text]
    denied = {"status": {"conditions": [*decision["status"]["conditions"], {"type": "Denied", "status": "True"}]}}
    assert change(old, denied, "approval")[1] == [
        'status.conditions[1].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'
    ]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("example.com/s", None),
        ("com/s", 'Invalid value: "com": should be a domain with at least two segments separated by dots'),
        ("s", "Invalid value: \"s\": must be a fully qualified domain and path of the form 'example.com/signer-name'"),
    ],
)
def test_a_signer_has_a_domain_and_a_path(faults: Faults, request_text: str, name: str, fault: str | None) -> None:
    found = faults("CertificateSigningRequest", signing_request(request_text, signerName=name))
    assert found == ([f"spec.signerName: {fault}"] if fault else [])


def test_an_api_service_is_named_by_its_version_and_group(faults: Faults) -> None:
    spec = {"group": "example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 10}
    assert faults("APIService", {"metadata": {"name": "v1.example.com"}, "spec": spec}) == []
    assert faults("APIService", {"metadata": {"name": "v2.example.com"}, "spec": {**spec, "versionPriority": 0}}) == [
        'metadata.name: Invalid value: "v2.example.com": must be `spec.version+"."+spec.group`: "v1.example.com"',
        "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
    ]
