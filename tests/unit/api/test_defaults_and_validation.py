"""Defaults and validation: idempotence, texts, updates, generations."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from kube_actors.api import decode, errors, strategy
from kube_actors.api.defaults import apply_defaults
from kube_actors.api.defaults.pods import pull_policy
from kube_actors.api.resources import (
    BUILTIN,
    CONFIGMAPS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    SECRETS,
    SERVICES,
    Resource,
    builtin,
)
from kube_actors.api.validation import validate_create, validate_status_update, validate_update


def made(resource: Resource, obj: dict[str, Any]) -> dict[str, Any]:
    """The object as a server would have it before it validates."""
    obj = copy.deepcopy(obj) | {"kind": resource.kind, "apiVersion": resource.api_version}
    if resource.namespaced:
        obj.setdefault("metadata", {}).setdefault("namespace", "default")
    result = decode.decode(resource, json.dumps(obj).encode()).obj
    apply_defaults(resource, result)
    strategy.prepare_create(resource, result)
    return result


def messages(resource: Resource, obj: dict[str, Any]) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validate_create(resource, made(resource, obj))]


POD = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
DEPLOYMENT = {
    "metadata": {"name": "d"},
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD["spec"]},
    },
}


@pytest.mark.parametrize("resource", list(BUILTIN), ids=lambda resource: f"{resource.api_version}/{resource.kind}")
def test_defaults_of_an_empty_object_of_every_kind_are_idempotent(resource: Resource) -> None:
    obj = made(resource, {"metadata": {"name": "a"}})
    again = copy.deepcopy(obj)
    apply_defaults(resource, again)
    assert again == obj
    validate_create(resource, obj)
    validate_update(resource, obj, again)
    validate_status_update(resource, obj, again)
    assert obj == again


def test_a_pod_gets_kubernetes_defaults() -> None:
    spec = made(PODS, POD)["spec"]
    assert spec == {
        "containers": [
            {
                "name": "c",
                "image": "nginx",
                "imagePullPolicy": "Always",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.2", "IfNotPresent"),
        ("r.io:5000/x", "Always"),
        ("r.io/x@sha256:" + "0" * 64, "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    assert pull_policy(image) == policy


def test_valid_objects_have_no_causes() -> None:
    for resource, obj in ((PODS, POD), (DEPLOYMENTS, DEPLOYMENT)):
        assert messages(resource, obj) == []
    assert messages(NAMESPACES, {"metadata": {"name": "n"}}) == []
    assert messages(SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}) == []


def test_causes_of_a_deployment_come_in_kubernetes_order() -> None:
    obj = {
        "metadata": {"name": "d"},
        "spec": {
            "replicas": -1,
            "selector": {"matchLabels": {"app": "x"}},
            "template": {"metadata": {"labels": {"app": "y"}}, "spec": POD["spec"] | {"restartPolicy": "Never"}},
            "strategy": {"type": "Recreate", "rollingUpdate": {}},
        },
    }
    assert messages(DEPLOYMENTS, obj) == [
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        'spec.template.metadata.labels: Invalid value: {"app":"y"}: `selector` does not match template `labels`',
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ]


def test_an_invalid_object_becomes_kubernetes_status() -> None:
    causes = validate_create(PODS, made(PODS, {"metadata": {"name": "x"}}))
    status = errors.invalid("Pod", "", "x", causes).status()
    assert status["message"] == 'Pod "x" is invalid: spec.containers: Required value'
    assert status["details"]["causes"] == [
        {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.containers"}
    ]


def test_the_spec_of_a_pod_is_all_but_immutable() -> None:
    old = made(PODS, POD)
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["image"] = "nginx:2"
    assert validate_update(PODS, new, old) == []
    new["spec"]["nodeSelector"] = {"a": "b"}
    assert validate_update(PODS, new, old)[0].message.startswith("Forbidden: pod updates may not change fields")


def test_a_selector_of_a_deployment_is_immutable() -> None:
    old = made(DEPLOYMENTS, DEPLOYMENT)
    new = copy.deepcopy(old)
    new["spec"]["selector"]["matchLabels"] = {"a": "c"}
    new["spec"]["template"]["metadata"]["labels"] = {"a": "c"}
    assert [cause.message for cause in validate_update(DEPLOYMENTS, new, old)] == [
        'Invalid value: {"matchLabels":{"a":"c"}}: field is immutable'
    ]


def test_an_immutable_config_map_stays_as_it_is() -> None:
    old = made(CONFIGMAPS, {"metadata": {"name": "a"}, "immutable": True, "data": {"k": "v"}})
    new = copy.deepcopy(old)
    new["data"]["k"] = "w"
    assert [cause.field for cause in validate_update(CONFIGMAPS, new, old)] == ["data"]
    new = copy.deepcopy(old)
    new["metadata"]["labels"] = {"still": "fine"}
    assert validate_update(CONFIGMAPS, new, old) == []


def test_string_data_of_a_secret_goes_into_its_data() -> None:
    secret = made(SECRETS, {"metadata": {"name": "s"}, "stringData": {"k": "v"}, "data": {"k": "eA==", "j": "eA=="}})
    assert secret["data"] == {"k": "dg==", "j": "eA=="}
    assert "stringData" not in secret
    assert secret["type"] == "Opaque"


def test_the_generation_grows_with_the_spec_and_not_with_labels() -> None:
    old = made(DEPLOYMENTS, DEPLOYMENT)
    assert old["metadata"]["generation"] == 1
    new = copy.deepcopy(old)
    new["spec"]["replicas"] = 5
    new["status"] = {"replicas": 9}
    strategy.prepare_update(DEPLOYMENTS, new, old)
    assert new["metadata"]["generation"] == 2
    assert new["status"] == old["status"]
    relabelled = copy.deepcopy(old)
    relabelled["metadata"]["labels"] = {"x": "y"}
    strategy.prepare_update(DEPLOYMENTS, relabelled, old)
    assert relabelled["metadata"]["generation"] == 1


def test_a_status_write_keeps_the_spec() -> None:
    old = made(DEPLOYMENTS, DEPLOYMENT)
    new = copy.deepcopy(old)
    new["spec"]["replicas"] = 7
    new["status"] = {"replicas": 3}
    strategy.prepare_status(DEPLOYMENTS, new, old)
    assert new["spec"] == old["spec"]
    assert new["status"] == {"replicas": 3}


def test_containers_of_a_stateful_set_may_mount_its_claims() -> None:
    container = POD["spec"]["containers"][0] | {"volumeMounts": [{"name": "data", "mountPath": "/data"}]}  # type: ignore[index]
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    obj = {
        "metadata": {"name": "s"},
        "spec": {
            "serviceName": "s",
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}},
            "volumeClaimTemplates": [claim],
        },
    }
    stateful_sets = builtin("apps/v1", "statefulsets")
    assert messages(stateful_sets, obj) == []
    obj["spec"]["volumeClaimTemplates"] = []  # type: ignore[index]
    assert messages(stateful_sets, obj) == ['spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"']
