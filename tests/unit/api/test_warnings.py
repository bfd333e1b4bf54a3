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
