"""Autoscalers in both versions: nothing is lost on the way from v2 to v1 and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kube_actors.api.autoscaling import BEHAVIOR, METRICS, to_v1, to_v2

CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
QUEUE = {
    "type": "External",
    "external": {
        "metric": {"name": "queue", "selector": {"matchLabels": {"a": "b"}}},
        "target": {"type": "AverageValue", "averageValue": "30"},
    },
}
RATE = {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "1k"}}}
REQUESTS = {
    "type": "Object",
    "object": {
        "describedObject": {"kind": "Ingress", "name": "i", "apiVersion": "networking.k8s.io/v1"},
        "metric": {"name": "requests"},
        "target": {"type": "Value", "value": "10k"},
    },
}


def autoscaler(**spec: Any) -> dict[str, Any]:
    return {
        "kind": "HorizontalPodAutoscaler",
        "apiVersion": "autoscaling/v2",
        "metadata": {"name": "a", "annotations": {"mine": "1"}},
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"}, **spec},
        "status": {"desiredReplicas": 1, "currentMetrics": None},
    }


def test_the_old_version_shows_the_use_of_the_cpu_as_its_own_field() -> None:
    shown = to_v1(autoscaler(metrics=[CPU]))
    assert shown["spec"]["targetCPUUtilizationPercentage"] == 70
    assert shown["metadata"]["annotations"] == {"mine": "1"}


def test_other_metrics_stand_in_an_annotation_in_the_old_form() -> None:
    annotations = to_v1(autoscaler(metrics=[RATE]))["metadata"]["annotations"]
    assert json.loads(annotations[METRICS]) == [
        {"type": "Pods", "pods": {"metricName": "rps", "targetAverageValue": "1k"}}
    ]


@pytest.mark.parametrize("metric", [CPU, QUEUE, RATE, REQUESTS], ids=lambda one: one["type"])
def test_a_metric_comes_back_as_it_was(metric: Any) -> None:
    original = autoscaler(metrics=[metric])
    assert to_v2(to_v1(original)) == original


def test_the_use_of_the_cpu_that_the_old_version_tells_is_a_measured_metric() -> None:
    told = {**to_v1(autoscaler()), "status": {"desiredReplicas": 1, "currentCPUUtilizationPercentage": 20}}
    status = to_v2(told)["status"]
    assert status["currentMetrics"] == [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 20}}}
    ]
    shown = to_v1({**autoscaler(), "status": status})
    assert shown["status"]["currentCPUUtilizationPercentage"] == 20
    (metric,) = json.loads(shown["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/current-metrics"])
    assert metric["resource"] == {"name": "cpu", "currentAverageUtilization": 20, "currentAverageValue": "0"}


def test_behavior_comes_back_as_it_was() -> None:
    policies = [{"type": "Pods", "value": 4, "periodSeconds": 15}]
    rules = {"selectPolicy": "Max", "stabilizationWindowSeconds": 0, "policies": policies}
    original = autoscaler(metrics=[CPU], behavior={"scaleUp": rules})
    assert to_v2(to_v1(original)) == original


@pytest.mark.parametrize(
    "text", ["[nope", "7", "[1]", '[{"type": 1}]', '[{"type": "Pods", "pods": {"metricName": []}}]']
)
def test_annotations_that_cannot_be_read_say_nothing(text: str) -> None:
    old = to_v1(autoscaler(metrics=[CPU]))
    old["metadata"]["annotations"].update({METRICS: text, BEHAVIOR: text})
    assert to_v2(old) == autoscaler(metrics=[CPU])
