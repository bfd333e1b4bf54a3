"""Webhooks and admission policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Faults = Callable[..., list[str]]
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}


def webhook(**fields: Any) -> dict[str, Any]:
    plain = {
        "name": "a.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"url": "https://x/"},
        "rules": [RULE],
    }
    return {"webhooks": [{**plain, **fields}]}


@pytest.mark.parametrize(
    ("resources", "fault"),
    [
        (["pods", "pods/log"], None),
        (["*", "pods/log"], None),
        (["*", "pods"], '["*","pods"]: if \'*\' is present, must not specify other resources without subresources'),
        (["*/*", "pods"], '["*/*","pods"]: if \'*/*\' is present, must not specify other resources'),
    ],
)
def test_no_resource_of_a_rule_lies_within_another(faults: Faults, resources: Any, fault: str | None) -> None:
    found = faults("MutatingWebhookConfiguration", webhook(rules=[{**RULE, "resources": resources}]))
    assert found == ([f"webhooks[0].rules[0].resources: Invalid value: {fault}"] if fault else [])


def test_a_webhook_behind_a_service_has_a_port_and_a_clean_path(faults: Faults) -> None:
    service = {"name": "s", "namespace": "n", "port": 0, "path": "/a//b"}
    assert faults("ValidatingWebhookConfiguration", webhook(clientConfig={"service": service})) == [
        "webhooks[0].clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, "
        "inclusive",
        'webhooks[0].clientConfig.service.path: Invalid value: "/a//b": segment[0] may not be empty',
    ]


def test_match_conditions_that_stay_as_they_are_are_not_looked_at_again(make: Any, change: Any) -> None:
    old = make("MutatingWebhookConfiguration", webhook(matchConditions=[{"name": "a", "expression": "true"}]))
    old["webhooks"][0]["matchConditions"][0]["expression"] = "no longer known"
    assert change(old, {"metadata": {"labels": {"a": "b"}}})[1] == []


def policy(**spec: Any) -> dict[str, Any]:
    return {"spec": {"matchConstraints": {"resourceRules": [RULE]}, **spec}}


def test_variables_of_a_policy_are_known_to_what_follows_them(faults: Faults) -> None:
    variables = [{"name": "a", "expression": "1"}, {"name": "b", "expression": "variables.a + 1"}]
    validations = [{"expression": "variables.b > 1"}]
    assert faults("ValidatingAdmissionPolicy", policy(variables=variables, validations=validations)) == []
    found = faults("ValidatingAdmissionPolicy", policy(variables=variables[1:], validations=validations))
    assert [text.partition(":")[0] for text in found] == ["spec.variables[0].expression"]


def test_parameters_are_known_where_the_policy_has_a_kind_of_them(faults: Faults) -> None:
    validations = [{"expression": "params.x == object.x"}]
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    assert faults("ValidatingAdmissionPolicy", policy(paramKind=kind, validations=validations)) == []
    found = faults("ValidatingAdmissionPolicy", policy(validations=validations))
    assert "undeclared reference to 'params'" in found[0]


def test_what_asks_the_authorizer_is_not_refused(faults: Faults) -> None:
    validations = [{"expression": "authorizer.path('/healthz').check('get').allowed()"}]
    assert faults("ValidatingAdmissionPolicy", policy(validations=validations)) == []


def test_a_mutation_holds_the_expression_of_its_own_type(faults: Faults) -> None:
    mutation = {"patchType": "JSONPatch", "jsonPatch": {"expression": '[JSONPatch{op: "remove", path: "/a"}]'}}
    body = policy(reinvocationPolicy="Never", mutations=[mutation])
    assert faults("MutatingAdmissionPolicy", body) == []
    body["spec"]["mutations"][0]["applyConfiguration"] = {"expression": "Object{}"}
    assert faults("MutatingAdmissionPolicy", body) == [
        'spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when '
        "patchType is JSONPatch"
    ]


def test_a_binding_names_its_policy_and_its_parameters_one_way(faults: Faults) -> None:
    reference = {"parameterNotFoundAction": "Deny"}
    spec = {"policyName": "p", "validationActions": ["Audit"], "paramRef": reference}
    found = faults("ValidatingAdmissionPolicyBinding", {"spec": spec})
    assert found == ["spec.paramRef: Required value: one of name or selector must be specified"]
    reference["name"] = "x"
    assert faults("ValidatingAdmissionPolicyBinding", {"spec": spec}) == []
