"""Autoscalers of autoscaling/v1 and of v2, each as the other.

The old version has fields for one metric alone, the use of the CPU. What else a v2 object says stands in annotations
of its v1 view, in the forms that v1 had for it; they are read back and are never in the v2 object.

Kubernetes: pkg/apis/autoscaling/v1/conversion.go.
"""

from __future__ import annotations

import json
from typing import Any

from kube_actors.api import Obj, schema
from kube_actors.api.gotext import go_json
from kube_actors.api.normal import Mismatch, normalizer

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, CURRENT_METRICS = f"{_PREFIX}metrics", f"{_PREFIX}current-metrics"
CONDITIONS, BEHAVIOR = f"{_PREFIX}conditions", f"{_PREFIX}behavior"
_ALL = (METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR)
_SOURCES = ("object", "pods", "resource", "containerResource", "external")


def to_v1(obj: Obj) -> Obj:
    """The v1 view of a v2 object, as a new object."""
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    metrics, current = spec.pop("metrics", None) or [], status.pop("currentMetrics", None) or []
    notes: dict[str, Any] = {
        METRICS: [_metric_to_v1(one, "target") for one in metrics if not _is_cpu(one, "target")],
        CURRENT_METRICS: [_metric_to_v1(one, "current") for one in current],
        BEHAVIOR: _behavior_to_internal(spec.pop("behavior", None)),
        CONDITIONS: status.pop("conditions", None),
    }
    for metric in metrics:
        if _is_cpu(metric, "target"):
            spec["targetCPUUtilizationPercentage"] = metric["resource"]["target"]["averageUtilization"]
    for metric in current:
        if _is_cpu(metric, "current"):
            status["currentCPUUtilizationPercentage"] = metric["resource"]["current"]["averageUtilization"]
    kept = {key: value for key, value in _annotations(obj).items() if key not in _ALL}
    kept.update((key, go_json(value)) for key, value in notes.items() if value)
    status = {"currentReplicas": 0, **status}
    return {**_annotated(obj, kept), "apiVersion": "autoscaling/v1", "spec": spec, "status": status}


def to_v2(obj: Obj) -> Obj:
    """The v2 object that a v1 object says, as a new object; annotations that cannot be read say nothing."""
    annotations = _annotations(obj)
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    used = status.pop("currentCPUUtilizationPercentage", None)
    metrics = _checked("MetricSpec", [_metric_to_v2(one, "target") for one in _objects(annotations.get(METRICS))])
    if percent is not None:
        metrics.append(_cpu("target", {"type": "Utilization", "averageUtilization": percent}))
    behavior = _checked("HorizontalPodAutoscalerBehavior", _behavior_from_internal(annotations.get(BEHAVIOR)))
    if metrics:
        spec["metrics"] = metrics
    if behavior:
        spec["behavior"] = behavior[0]
    current = [_metric_to_v2(one, "current") for one in _objects(annotations.get(CURRENT_METRICS))]
    if used is not None and _loaded(annotations.get(CURRENT_METRICS)) is None:
        current = [_cpu("current", {"averageUtilization": used})]
    status["currentMetrics"] = _checked("MetricStatus", current) or None
    conditions = _checked("HorizontalPodAutoscalerCondition", _objects(annotations.get(CONDITIONS)))
    if conditions:
        status["conditions"] = conditions
    if not status.get("currentReplicas"):
        status.pop("currentReplicas", None)
    kept = {key: value for key, value in annotations.items() if key not in _ALL}
    return {**_annotated(obj, kept), "apiVersion": "autoscaling/v2", "spec": spec, "status": status}


def _annotations(obj: Obj) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("annotations") or {}


def _annotated(obj: Obj, annotations: dict[str, str]) -> Obj:
    metadata = {**(obj.get("metadata") or {}), "annotations": annotations}
    if not annotations:
        del metadata["annotations"]
    return {**obj, "metadata": metadata}


def _loaded(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except ValueError:
        return None


def _checked(kind: str, objects: list[Obj]) -> list[Obj]:
    """The objects as v2's types have them; none where one of them cannot be of its type."""
    run = normalizer(schema.definition(f"io.k8s.api.autoscaling.v2.{kind}"))
    try:
        return [run(one, []) for one in objects]
    except Mismatch:
        return []


def _objects(text: str | None) -> list[Obj]:
    """The objects of a JSON list; nothing of anything else."""
    found = _loaded(text)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _cpu(role: str, values: Obj) -> Obj:
    return {"type": "Resource", "resource": {"name": "cpu", role: values}}


def _is_cpu(metric: Obj, role: str) -> bool:
    resource = metric.get("resource") or {}
    return resource.get("name") == "cpu" and (resource.get(role) or {}).get("averageUtilization") is not None


def _names(source: str, role: str) -> dict[str, str]:
    """v2's fields of what is wanted or measured, and v1's names of them in this source."""
    average = "averageValue" if source == "object" else f"{role}AverageValue"
    return {"averageUtilization": f"{role}AverageUtilization", "value": f"{role}Value", "averageValue": average}


def _metric_to_v1(metric: Obj, role: str) -> Obj:
    found: Obj = {"type": metric.get("type", "")}
    for source in _SOURCES:
        if source in metric:
            found[source] = _source_to_v1(source, metric[source], role)
    return found


def _source_to_v1(source: str, given: Obj, role: str) -> Obj:
    found: Obj = {}
    if source == "object":
        found["target"] = given.get("describedObject") or {}
    if "metric" in given:
        found["metricName"] = given["metric"].get("name", "")
        if "selector" in given["metric"]:
            found["metricSelector" if source == "external" else "selector"] = given["metric"]["selector"]
    found.update({field: given[field] for field in ("name", "container") if field in given})
    values = given.get(role) or {}
    found.update({old: values[new] for new, old in _names(source, role).items() if new in values})
    if source == "object":
        found.setdefault(f"{role}Value", "0")
    elif role == "current" and source != "external":
        found.setdefault("currentAverageValue", "0")
    return found


def _metric_to_v2(metric: Obj, role: str) -> Obj:
    found: Obj = {"type": metric.get("type", "")}
    for source in _SOURCES:
        if isinstance(metric.get(source), dict):
            found[source] = _source_to_v2(source, metric[source], role)
    return found


def _source_to_v2(source: str, given: Obj, role: str) -> Obj:
    found: Obj = {}
    if source == "object":
        found["describedObject"] = given.get("target") or {}
    if "metricName" in given:
        found["metric"] = {"name": given["metricName"]}
        selector = given.get("metricSelector" if source == "external" else "selector")
        if selector is not None:
            found["metric"]["selector"] = selector
    found.update({field: given[field] for field in ("name", "container") if field in given})
    values = {new: given[old] for new, old in _names(source, role).items() if old in given}
    if source == "object" and values.get("value") == "0" and "averageValue" in values:
        del values["value"]
    found[role] = {"type": _target_type(values), **values} if role == "target" else values
    return found


def _target_type(values: Obj) -> str:
    if "averageUtilization" in values:
        return "Utilization"
    return "AverageValue" if "averageValue" in values else "Value"


# Behavior stands in its annotation as Go's internal struct.
_RULES = {
    "StabilizationWindowSeconds": "stabilizationWindowSeconds",
    "SelectPolicy": "selectPolicy",
    "Policies": "policies",
    "Tolerance": "tolerance",
}
_POLICY = {"Type": "type", "Value": "value", "PeriodSeconds": "periodSeconds"}
_DIRECTIONS = {"ScaleUp": "scaleUp", "ScaleDown": "scaleDown"}


def _behavior_to_internal(behavior: Obj | None) -> Obj | None:
    if not behavior:
        return None
    found: Obj = {}
    for internal, name in _DIRECTIONS.items():
        rules = behavior.get(name)
        found[internal] = None if rules is None else {key: rules.get(field) for key, field in _RULES.items()}
        if rules is not None:
            policies = rules.get("policies") or ()
            found[internal]["Policies"] = [{key: one.get(field) for key, field in _POLICY.items()} for one in policies]
    return found


def _behavior_from_internal(text: str | None) -> list[Obj]:
    """One behavior, or none."""
    behavior = _loaded(text)
    if not isinstance(behavior, dict):
        return []
    found: Obj = {}
    for internal, name in _DIRECTIONS.items():
        rules = behavior.get(internal)
        if isinstance(rules, dict):
            found[name] = {field: rules[key] for key, field in _RULES.items() if rules.get(key) is not None}
            policies = found[name].get("policies")
            if isinstance(policies, list):
                found[name]["policies"] = [_renamed(one) for one in policies]
    return [found] if found else []


def _renamed(policy: Any) -> Any:
    return {field: policy.get(key) for key, field in _POLICY.items()} if isinstance(policy, dict) else policy
