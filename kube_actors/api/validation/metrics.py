"""The metrics by which an autoscaler decides (pkg/apis/autoscaling/validation)."""

from __future__ import annotations

from collections.abc import Callable

from kube_actors.api import Obj, quantity
from kube_actors.api.validation import references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.metadata import label_selector

_TYPES = ("ContainerResource", "External", "Object", "Pods", "Resource")
_TARGET_TYPES = ("Utilization", "Value", "AverageValue")


def metrics(causes: Causes, items: list[Obj], path: str) -> None:
    """Each names its type and holds the source of that type alone."""
    for index, metric in enumerate(items):
        _metric(causes, metric, f"{path}[{index}]")


def scale_to_zero(causes: Causes, items: list[Obj], path: str) -> None:
    """No pods give no measurements: something else has to tell when pods are needed again."""
    if not any(metric.get("type") in ("Object", "External") for metric in items):
        causes.forbidden(
            path, "must specify at least one Object or External metric to support scaling to zero replicas"
        )


def _metric(causes: Causes, metric: Obj, path: str) -> None:
    kind = metric.get("type", "")
    if not kind:
        causes.required(f"{path}.type", "must specify a metric source type")
    if kind not in _TYPES:
        for _ in range(2):  # Kubernetes looks twice
            causes.unsupported(f"{path}.type", kind, _TYPES)
    present = [field for field in _SOURCES if field in metric]
    for field in present[:1]:
        _SOURCES[field](causes, metric[field], f"{path}.{field}")
    expected = kind[:1].lower() + kind[1:]
    if expected in _SOURCES and expected not in present:
        causes.required(f"{path}.{expected}", "must populate information for the given metric source")
    if len(present) > 1:
        for field in present:
            if field != expected:
                causes.forbidden(f"{path}.{field}", "must populate the given metric source only")


def _object(causes: Causes, source: Obj, path: str) -> None:
    described = source.get("describedObject") or {}
    for field in ("kind", "name"):
        references.path_segment(causes, described.get(field, ""), f"{path}.describedObject.{field}")
    _identifier(causes, source, path)
    target = source.get("target") or {}
    _target(causes, target, f"{path}.target")
    if "value" not in target and "averageValue" not in target:
        causes.required(f"{path}.target.averageValue", "must set either a target value or averageValue")


def _external(causes: Causes, source: Obj, path: str) -> None:
    _identifier(causes, source, path)
    target = source.get("target") or {}
    _target(causes, target, f"{path}.target")
    if "value" not in target and "averageValue" not in target:
        text = "must set either a target value for metric or a per-pod target"
        causes.required(f"{path}.target.averageValue", text)
    if "value" in target and "averageValue" in target:
        text = "may not set both a target value for metric and a per-pod target"
        causes.forbidden(f"{path}.target.value", text)


def _pods(causes: Causes, source: Obj, path: str) -> None:
    _identifier(causes, source, path)
    target = source.get("target") or {}
    _target(causes, target, f"{path}.target")
    if not _positive(target.get("averageValue", "0")):
        causes.required(f"{path}.target.averageValue", "must specify a positive target averageValue")


def _resource(causes: Causes, source: Obj, path: str) -> None:
    if not source.get("name"):
        causes.required(f"{path}.name", "must specify a resource name")
    target = source.get("target") or {}
    _target(causes, target, f"{path}.target")
    if "averageUtilization" not in target and "averageValue" not in target:
        text = "must set either a target raw value or a target utilization"
        causes.required(f"{path}.target.averageUtilization", text)
    if "averageUtilization" in target and "averageValue" in target:
        text = "may not set both a target raw value and a target utilization"
        causes.forbidden(f"{path}.target.averageValue", text)


def _container_resource(causes: Causes, source: Obj, path: str) -> None:
    if not source.get("name"):
        causes.required(f"{path}.name", "must specify a resource name")
    if not source.get("container"):
        causes.required(f"{path}.container", "must specify a container")
    _resource(causes, {"name": "-", "target": source.get("target") or {}}, path)


def _identifier(causes: Causes, source: Obj, path: str) -> None:
    metric = source.get("metric") or {}
    if not metric.get("name"):
        causes.required(f"{path}.metric.name", "must specify a metric name")
    else:
        references.path_segment(causes, metric["name"], f"{path}.metric.name")
    if "selector" in metric:
        label_selector(causes, metric["selector"], f"{path}.metric.selector")


def _target(causes: Causes, target: Obj, path: str) -> None:
    kind = target.get("type", "")
    if not kind:
        causes.required(f"{path}.type", "must specify a metric target type")
    if kind not in _TARGET_TYPES:
        text = "must be either Utilization, Value, or AverageValue"
        causes.invalid(f"{path}.type", kind, text)
    for field in ("value", "averageValue"):
        if field in target and not _positive(target[field]):
            causes.invalid(f"{path}.{field}", target[field], "must be positive")
    percent = target.get("averageUtilization")
    if percent is not None and percent < 1:
        causes.invalid(f"{path}.averageUtilization", percent, "must be greater than 0")


def _positive(amount: str) -> bool:
    return quantity.compare(amount, "0") > 0


# In the order in which Kubernetes looks at them.
_SOURCES: dict[str, Callable[[Causes, Obj, str], None]] = {
    "object": _object,
    "external": _external,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container_resource,
}
