"""Where webhooks are, which requests they want, and what their answers mean: all without sockets."""

from __future__ import annotations

import base64
import json

import pytest

from kube_actors.api.resources import CONFIGMAPS, DEPLOYMENTS, ENDPOINT_SLICES, NAMESPACES, PODS, SERVICES, builtin
from kube_actors.apiserver import versions
from kube_actors.apiserver.admission.chain import Attributes, Operation
from kube_actors.apiserver.admission.matching import Matcher
from kube_actors.apiserver.admission.rounds import Rounds
from kube_actors.apiserver.admission.webhook import review
from kube_actors.apiserver.request import Request, Target, User
from kube_actors.apiserver.webhooks.resolver import NotFound, resolve

SERVICE = {"service": {"name": "hook", "namespace": "ns", "port": 8443, "path": "/p"}}


class Objects:
    """A Lookup of a service and its slices."""

    def __init__(self, service=None, *slices):
        self._service, self._slices = service, slices

    def cached(self, resource, namespace, name):
        return self._service if (resource, namespace, name) == (SERVICES, "ns", "hook") else None

    def all(self, resource, namespace=""):
        return list(self._slices) if resource is ENDPOINT_SLICES else []


def service(**spec):
    return {"spec": {"clusterIP": "10.96.0.9", "ports": [{"name": "https", "port": 8443}], **spec}}


def endpoint_slice(*addresses, ready=True):
    return {
        "metadata": {"labels": {"kubernetes.io/service-name": "hook"}},
        "ports": [{"name": "metrics", "port": 1}, {"name": "https", "port": 9443}],
        "endpoints": [{"addresses": [one], "conditions": {"ready": ready}} for one in addresses],
    }


def test_a_service_is_at_one_of_its_ready_endpoints():
    lookup = Objects(service(), endpoint_slice("10.0.0.7"), endpoint_slice("10.0.0.8", ready=False))
    place = resolve(lookup, SERVICE)
    assert (place.host, place.port, place.server_name) == ("10.0.0.7", 9443, "hook.ns.svc")
    assert place.url == "https://hook.ns.svc:8443/p"


def test_a_service_without_slices_is_at_its_cluster_address():
    place = resolve(Objects(service()), SERVICE)
    assert (place.host, place.port) == ("10.96.0.9", 8443)


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        (Objects(), 'service "hook" not found'),
        (Objects(service(), endpoint_slice("10.0.0.8", ready=False)), 'no endpoints available for service "hook"'),
        (Objects(service(clusterIP="None")), 'no endpoints available for service "hook"'),
        (Objects(service(ports=[{"port": 1}])), 'no service port 8443 found for service "hook"'),
    ],
)
def test_a_service_that_leads_nowhere_is_named(objects, text):
    with pytest.raises(NotFound, match=text):
        resolve(objects, SERVICE)


def attributes(resource, operation=Operation.CREATE, subresource="", labels=None, name="a"):
    target = Target(resource, "ns" if resource.namespaced else "", name, subresource)
    obj = {"metadata": {"name": name, "labels": labels or {}}}
    return Attributes(Request(User("u"), target), operation, obj, None)


def matcher(selectors=None, policy="Equivalent", **rule):
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
    return Matcher.of({"resourceRules": [everything | rule], "matchPolicy": policy, **(selectors or {})})


@pytest.mark.parametrize(
    ("rule", "request_", "wanted"),
    [
        ({}, attributes(PODS), True),
        ({}, attributes(PODS, subresource="status"), False),
        ({"resources": ["*/*"]}, attributes(PODS, subresource="status"), True),
        ({"resources": ["pods/*"]}, attributes(PODS), True),
        ({"resources": ["*/status"]}, attributes(PODS, subresource="status"), True),
        ({"resources": ["configmaps"]}, attributes(PODS), False),
        ({"apiGroups": ["apps"]}, attributes(DEPLOYMENTS), True),
        ({"apiGroups": [""]}, attributes(DEPLOYMENTS), False),
        ({"operations": ["DELETE"]}, attributes(PODS), False),
        ({"scope": "Cluster"}, attributes(NAMESPACES), True),
        ({"scope": "Cluster"}, attributes(PODS), False),
        ({"scope": "Namespaced"}, attributes(NAMESPACES), False),
        ({"resourceNames": ["b"]}, attributes(PODS), False),
    ],
)
def test_rules_choose_requests(rule, request_, wanted):
    assert (matcher(**rule).version_for(request_) is not None) == wanted


def test_an_equivalent_version_is_chosen_where_the_policy_allows_it():
    old, new = (builtin(f"autoscaling/{one}", "horizontalpodautoscalers") for one in ("v1", "v2"))
    assert matcher(apiVersions=["v2"]).version_for(attributes(old)) is new
    assert matcher(policy="Exact", apiVersions=["v2"]).version_for(attributes(old)) is None
    assert versions.equivalents(CONFIGMAPS) == ()


def test_selectors_choose_namespaces_and_objects():
    chosen = matcher({"namespaceSelector": {"matchLabels": {"a": "b"}}, "objectSelector": {"matchLabels": {"c": "d"}}})
    assert chosen.selects(attributes(PODS, labels={"c": "d"}), {"a": "b"})
    assert not chosen.selects(attributes(PODS, labels={"c": "d"}), {})
    assert not chosen.selects(attributes(PODS), {"a": "b"})
    assert chosen.selects(attributes(NAMESPACES, labels={"c": "d"}), None)


def answered(**response):
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": "u", **response}}


PATCH = base64.b64encode(json.dumps([{"op": "remove", "path": "/x"}]).encode()).decode()


@pytest.mark.parametrize(
    ("body", "mutating", "text"),
    [
        ({}, True, "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got , Kind="),
        (answered() | {"response": None}, True, "webhook response was absent"),
        (answered(uid="other"), True, 'expected response.uid="u", got "other"'),
        (answered(patch=PATCH), True, "webhook returned response.patch but not response.patchType"),
        (answered(patchType="JSONPatch"), True, "webhook returned response.patchType but not response.patch"),
        (answered(patch=PATCH, patchType="Merge"), True, "invalid value of response.patchType"),
        (answered(patch=PATCH, patchType="JSONPatch"), False, "validating webhook may not return response.patch"),
        ([], True, "expected webhook response to be an object"),
        (answered(patch="e30=", patchType="JSONPatch"), True, "the patch is no list of operations"),
    ],
)
def test_an_answer_that_is_none_says_why(body, mutating, text):
    with pytest.raises(review.BadAnswer) as refused:
        review.answer("v1", "u", body, mutating=mutating)
    assert str(refused.value).startswith(text)


def test_an_older_review_needs_neither_uid_nor_type_of_patch():
    found = review.answer("v1beta1", "u", {"response": {"allowed": True, "patch": PATCH}}, mutating=True)
    assert found.patch == [{"op": "remove", "path": "/x"}]


def test_a_denial_has_the_webhooks_status_and_is_never_a_success():
    refused = review.denial("h", {"code": 200, "reason": "Odd"})
    assert (refused.code, refused.message) == (400, 'admission webhook "h" denied the request: Odd')
    assert review.denial("h", {"code": 418, "message": "tea"}).code == 418


def test_a_second_round_is_for_those_that_want_to_see_a_change():
    rounds, held = Rounds(), attributes(PODS)
    first = rounds.of("plugin")
    first.begin(held)
    first.called("early")
    first.changed()
    first.called("late")
    first.end(held)
    assert rounds.again
    rounds.number = 1
    first.begin(held)
    assert (first.wants("early"), first.wants("late")) == (True, False)
    held.obj["changed"] = "by another plugin"
    first.begin(held)
    assert first.wants("late")
