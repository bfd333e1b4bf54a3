"""Policies in CEL: what they deny, warn of and note, and what they change."""

from __future__ import annotations

import pytest

from kube_actors.api import encoding, errors
from kube_actors.api.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, PODS, builtin
from kube_actors.apiserver.request import WriteOptions

GROUP = "admissionregistration.k8s.io/v1"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
REPLACED = {"matchConstraints": {"resourceRules": [RULE]}}


@pytest.fixture
def validating(api):
    """A policy of ConfigMaps with a binding that denies."""

    async def make(*validations, binding=None, **spec):
        checks = [{"expression": one} if isinstance(one, str) else one for one in validations]
        await api.create(
            builtin(GROUP, "validatingadmissionpolicies"),
            {"metadata": {"name": "p"}, "spec": {**REPLACED, "validations": checks, **spec}},
        )
        bound = {"policyName": "p", "validationActions": ["Deny"], **(binding or {})}
        await api.create(
            builtin(GROUP, "validatingadmissionpolicybindings"), {"metadata": {"name": "b"}, "spec": bound}
        )
        await api.pipeline.cache.fresh()

    return make


@pytest.fixture
def mutating(api):
    async def make(*mutations, **spec):
        steps = [
            {"patchType": "JSONPatch", "jsonPatch": {"expression": one}}
            if one.startswith("[")
            else {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": one}}
            for one in mutations
        ]
        policy = {**REPLACED, "mutations": steps, "reinvocationPolicy": "Never", **spec}
        await api.create(builtin(GROUP, "mutatingadmissionpolicies"), {"metadata": {"name": "m"}, "spec": policy})
        await api.create(
            builtin(GROUP, "mutatingadmissionpolicybindings"), {"metadata": {"name": "b"}, "spec": {"policyName": "m"}}
        )
        await api.pipeline.cache.fresh()

    return make


async def write(api, obj):
    request = api.request(CONFIGMAPS, "default")
    await api.pipeline.operations.create(request, encoding.dumps(obj), WriteOptions())
    return request


def config_map(name="a", **data):
    return {"metadata": {"name": name}, "data": data}


async def refusal(api, obj):
    with pytest.raises(errors.ApiError) as refused:
        await api.create(CONFIGMAPS, obj)
    return refused.value


WHO = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "


async def test_what_is_not_true_is_denied_as_invalid(api, validating):
    await validating("object.metadata.name != 'bad'")
    error = await refusal(api, config_map("bad"))
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message == f"configmaps \"bad\" is forbidden: {WHO}failed expression: object.metadata.name != 'bad'"
    assert error.status()["details"]["causes"] == [{"message": error.message.partition("forbidden: ")[2]}]
    await api.create(CONFIGMAPS, config_map("good"))


async def test_a_reason_and_a_composed_message_are_the_policys(api, validating):
    said = "'has ' + string(size(object.data)) + ' keys, of ' + variables.limit"
    check = {"expression": "size(object.data) < 2", "messageExpression": said, "reason": "Forbidden"}
    await validating(check, variables=[{"name": "limit", "expression": "'one'"}])
    error = await refusal(api, config_map(a="1", b="2"))
    assert (error.code, error.message) == (403, f'configmaps "a" is forbidden: {WHO}has 2 keys, of one')


async def test_an_expression_without_a_value_denies_unless_failures_are_ignored(api, validating):
    await validating("object.data.missing == 'x'")
    error = await refusal(api, config_map(a="1"))
    assert error.message.endswith("expression 'object.data.missing == 'x'' resulted in error: no such key: missing")


async def test_ignored_failures_let_through(api, validating):
    await validating("object.data.missing == 'x'", "object.metadata.name != 'bad'", failurePolicy="Ignore")
    await api.create(CONFIGMAPS, config_map("good", a="1"))
    assert "failed expression" in (await refusal(api, config_map("bad", a="1"))).message


async def test_a_variable_fails_only_where_it_is_used(api, validating):
    broken = [{"name": "broken", "expression": "object.data.missing"}]
    await validating("object.metadata.name == 'a' || variables.broken == 'x'", variables=broken)
    await api.create(CONFIGMAPS, config_map("a", k="v"))
    error = await refusal(api, config_map("b", k="v"))
    assert 'composited variable "broken" fails to evaluate: no such key: missing' in error.message


async def test_warnings_and_notes_let_through(api, validating):
    notes = [{"key": "made", "valueExpression": "'by ' + request.userInfo.username"}]
    check = {"expression": "object.metadata.name != 'loud'", "message": "too loud"}
    await validating(check, binding={"validationActions": ["Warn", "Audit"]}, auditAnnotations=notes)
    request = await write(api, config_map("loud"))
    text = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': too loud"
    assert request.warnings == [text]
    assert request.audit_annotations["p/made"] == "by admin"
    (noted,) = encoding.loads(request.audit_annotations["validation.policy.admission.k8s.io/validation_failure"])
    assert (noted["message"], noted["policy"], noted["expressionIndex"]) == ("too loud", "p", 0)


async def test_a_policy_is_evaluated_for_each_param(api, validating):
    reference = {"selector": {"matchLabels": {"kind": "limit"}}, "parameterNotFoundAction": "Deny"}
    await validating(
        {"expression": "size(object.data) <= int(params.data.max)", "messageExpression": "'max ' + params.data.max"},
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        matchConditions=[{"name": "no-limits", "expression": "!object.metadata.name.startsWith('limit')"}],
        binding={"paramRef": reference},
    )
    error = await refusal(api, config_map("early"))
    assert error.message.endswith("no params found for policy binding with `Deny` parameterNotFoundAction")
    # The limits themselves would need one to be made.
    await api.delete(builtin(GROUP, "validatingadmissionpolicybindings"), "b")
    for number, most in enumerate(("3", "1")):
        limit = {"metadata": {"name": f"limit-{number}", "labels": {"kind": "limit"}}, "data": {"max": most}}
        await api.pipeline.cache.fresh()
        await api.create(CONFIGMAPS, limit)
    bound = {"policyName": "p", "validationActions": ["Deny"], "paramRef": reference}
    await api.create(builtin(GROUP, "validatingadmissionpolicybindings"), {"metadata": {"name": "b"}, "spec": bound})
    await api.pipeline.cache.fresh()
    assert (await refusal(api, config_map(a="1", b="2"))).message.endswith(f"{WHO}max 1")
    await api.create(CONFIGMAPS, config_map(a="1"))


async def test_a_binding_narrows_its_policy_by_namespace(api, validating):
    await api.create(NAMESPACES, {"metadata": {"name": "strict", "labels": {"strict": "yes"}}})
    await validating("false", binding={"matchResources": {"namespaceSelector": {"matchLabels": {"strict": "yes"}}}})
    await api.create(CONFIGMAPS, config_map())
    with pytest.raises(errors.Invalid):
        await api.create(CONFIGMAPS, config_map(), "strict")


async def test_deletions_show_the_old_object_and_the_namespace(api, validating):
    await api.create(CONFIGMAPS, config_map(keep="yes"))
    await validating("object != null || oldObject.data.keep != 'yes' || namespaceObject.metadata.name != 'default'")
    with pytest.raises(errors.Invalid, match=r'^configmaps "a" is forbidden'):
        await api.delete(CONFIGMAPS, "a")


async def test_a_policy_may_ask_what_the_user_may_do(api, validating):
    await validating("!authorizer.group('').resource('nodes').check('delete').allowed()")
    assert (await refusal(api, config_map())).code == 422


async def test_patches_see_what_those_before_them_did(api, mutating):
    await mutating(
        "[JSONPatch{op: 'add', path: '/data/first', value: 'x'}]",
        "[JSONPatch{op: 'add', path: '/data/second', value: object.data.first + 'y'}]",
        "[JSONPatch{op: 'test', path: '/data/first', value: 'other'}, JSONPatch{op: 'remove', path: '/data/first'}]",
    )
    assert (await api.create(CONFIGMAPS, config_map(own="1")))["data"] == {"own": "1", "first": "x", "second": "xy"}


async def test_a_configuration_is_merged_into_the_object(api, mutating, new_pod):
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    await mutating(
        "Object{metadata: Object.metadata{labels: {'seen': 'yes'}}, spec: Object.spec{initContainers: ["
        "Object.spec.initContainers{name: 'sidecar', image: 'side:1', restartPolicy: 'Always'}]}}",
        matchConstraints={"resourceRules": [rule]},
    )
    made = await api.create(PODS, new_pod())
    assert made["metadata"]["labels"] == {"seen": "yes"}
    assert [one["name"] for one in made["spec"]["containers"]] == ["c"]
    (sidecar,) = made["spec"]["initContainers"]
    assert (sidecar["image"], sidecar["imagePullPolicy"]) == ("side:1", "IfNotPresent")


async def test_a_configuration_changes_what_it_says_alone(api, mutating, new_pod):
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
    await mutating("Object{spec: Object.spec{replicas: 1337}}", matchConstraints={"resourceRules": [rule]})
    template = {"metadata": {"labels": {"a": "b"}}, "spec": new_pod()["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    made = await api.create(DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": spec})
    assert made["spec"]["replicas"] == 1337
    assert made["spec"]["template"]["spec"]["containers"][0]["image"] == "i"


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("[JSONPatch{op: 'add', path: '/data/x', value: object.data.missing}]", "no such key: missing"),
        ("Object{metadata: Object.metadata{name: 'other'}}", "may not mutate metadata.name"),
        ("[JSONPatch{op: 'remove', path: '/data/missing'}]", "failed to apply JSON Patch: "),
    ],
)
async def test_a_mutation_that_fails_denies(api, mutating, expression, text):
    await mutating(expression)
    error = await refusal(api, config_map(own="1"))
    assert "policy 'm' with binding 'b' denied request: " in error.message
    assert text in error.message


async def test_a_mutation_that_fails_may_be_ignored(api, mutating):
    await mutating("[JSONPatch{op: 'remove', path: '/data/missing'}]", failurePolicy="Ignore")
    assert (await api.create(CONFIGMAPS, config_map(own="1")))["data"] == {"own": "1"}
