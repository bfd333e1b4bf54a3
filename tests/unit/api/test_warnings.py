"""What Kubernetes accepts and warns of."""

from __future__ import annotations

import pytest

from kube_actors.api import warnings
from kube_actors.api.resources import DEPLOYMENTS, ENDPOINTS, PODS, SERVICES, builtin


def pod(*, name="a", annotations=None, container=None, **spec):
    metadata = {"name": name, "annotations": annotations or {}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c", **(container or {})}], **spec}}


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (
            pod(nodeSelector={"beta.kubernetes.io/os": "linux"}),
            'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
        ),
        (
            pod(container={"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
            'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
        ),
        (
            pod(container={"resources": {"requests": {"memory": "100m"}}}),
            'spec.containers[0].resources.requests[memory]: fractional byte value "100m" is invalid, must be an '
            "integer",
        ),
        (
            pod(container={"ports": [{"containerPort": 80}, {"containerPort": 80}]}),
            "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
        ),
        (
            pod(annotations={"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}),
            "metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: deprecated since v1.30; use the "
            '"appArmorProfile" field instead',
        ),
        (
            pod(volumes=[{"name": "v", "gitRepo": {}}]),
            "spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
        ),
        (
            pod(terminationGracePeriodSeconds=-1),
            "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
        ),
    ],
)
def test_a_pod_is_warned_of_what_is_old_or_surely_not_meant(made, text):
    assert warnings.of(PODS, made) == [text]


def test_a_workload_is_warned_of_its_template():
    template = pod(nodeSelector={"beta.kubernetes.io/arch": "amd64"})
    (text,) = warnings.of(DEPLOYMENTS, {"metadata": {"name": "d"}, "spec": {"template": template}})
    assert text.startswith("spec.template.spec.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14")


def test_a_variable_that_uses_its_former_value_hides_nothing():
    variables = [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}]
    assert warnings.of(PODS, pod(container={"env": variables})) == []


def test_a_name_that_is_no_hostname_is_warned_of():
    (text,) = warnings.of(PODS, pod(name="a.b"))
    assert text.startswith("metadata.name: this is used in the Pod's hostname, which can result in surprising behavior")


def test_other_kinds_have_their_own():
    ingress = {"metadata": {"annotations": {"kubernetes.io/ingress.class": "x"}}}
    assert warnings.of(builtin("networking.k8s.io/v1", "ingresses"), ingress) == [
        "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"
    ]
    headless = {"metadata": {"name": "s"}, "spec": {"clusterIP": "None", "sessionAffinity": "ClientIP"}}
    assert warnings.of(SERVICES, headless) == ["spec.SessionAffinity is ignored for headless services"]


def test_any_request_for_endpoints_is_warned_of():
    assert warnings.of_resource(ENDPOINTS).startswith("v1 Endpoints is deprecated in v1.33+")
    assert warnings.of_resource(PODS) == ""


@pytest.mark.parametrize(
    ("cidr", "warning"),
    [
        ("10.0.0.0/8", None),
        (
            "10.0.0.1/8",
            'CIDR value "10.0.0.1/8" is ambiguous in this context (should be "10.0.0.0/8" or "10.0.0.1/32"?)',
        ),
        ("2001:DB8::/64", 'IPv6 CIDR value "2001:DB8::/64" should be in RFC 5952 canonical format ("2001:db8::/64")'),
    ],
)
def test_a_range_that_can_be_misunderstood_is_taken_with_a_warning(cidr: str, warning: str | None) -> None:
    policy = {"spec": {"ingress": [{"from": [{"ipBlock": {"cidr": cidr}}]}]}}
    found = warnings.of(builtin("networking.k8s.io/v1", "networkpolicies"), policy)
    assert found == ([f"spec.ingress[0].from[0].ipBlock.cidr: {warning}"] if warning else [])


def test_old_names_of_node_labels_are_warned_of_in_classes() -> None:
    old = "failure-domain.beta.kubernetes.io/zone"
    text = 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'
    runtime = {"scheduling": {"nodeSelector": {old: "a"}}}
    found = warnings.of(builtin("node.k8s.io/v1", "runtimeclasses"), runtime)
    assert found == [f"scheduling.nodeSelector[{old}]: {text}"]
    storage = {"allowedTopologies": [{"matchLabelExpressions": [{"key": old, "values": ["a"]}]}]}
    found = warnings.of(builtin("storage.k8s.io/v1", "storageclasses"), storage)
    assert found == [f"allowedTopologies[0].matchLabelExpressions[0].key: {old} is {text}"]
