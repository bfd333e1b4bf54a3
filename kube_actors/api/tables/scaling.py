"""How autoscalers and disruption budgets are printed."""

from __future__ import annotations

from typing import Any

from kube_actors.api import Obj
from kube_actors.api.tables.cells import UNKNOWN, UNSET, name_of, named
from kube_actors.api.tables.engine import AGE, NAME, Column, Printer, age

_SHOWN_METRICS = 2
_PERCENT_KEYS = ("averageUtilization",)


def _value(values: Obj, *keys: str) -> str | None:
    for key in keys:
        if key in values:
            return f"{values[key]}%" if key in _PERCENT_KEYS else str(values[key])
    return None


def _metric(spec: Obj, status: Obj) -> str:
    kind = spec.get("type", "")
    field = kind[:1].lower() + kind[1:]
    source, current = spec.get(field) or {}, (status.get(field) or {}).get("current") or {}
    target = source.get("target") or {}
    if kind == "Pods":
        return f"{_value(current, 'averageValue') or UNKNOWN}/{_value(target, 'averageValue')}"
    if kind in ("Object", "External"):
        if "averageValue" in target:
            return f"{_value(current, 'averageValue') or UNKNOWN}/{target['averageValue']} (avg)"
        return f"{_value(current, 'value') or UNKNOWN}/{_value(target, 'value')}"
    if kind not in ("Resource", "ContainerResource"):
        return "<unknown type>"
    key = "averageValue" if "averageValue" in target else "averageUtilization"
    shown = _value(target, key) or "<auto>"
    return f"{source.get('name')}: {_value(current, key) or UNKNOWN}/{shown}"


def _targets(obj: Obj) -> str:
    spec = (obj.get("spec") or {}).get("metrics") or ()
    if not spec:
        return "<none>"
    current = (obj.get("status") or {}).get("currentMetrics") or ()
    shown = [_metric(one, current[index] if index < len(current) else {}) for index, one in enumerate(spec)]
    text = ", ".join(shown[:_SHOWN_METRICS])
    return f"{text} + {len(shown) - _SHOWN_METRICS} more..." if len(shown) > _SHOWN_METRICS else text


def _autoscaler(obj: Obj, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    reference = spec.get("scaleTargetRef") or {}
    least = spec.get("minReplicas")
    return [
        name_of(obj),
        f"{reference.get('kind', '')}/{reference.get('name', '')}",
        _targets(obj),
        UNSET if least is None else str(least),
        spec.get("maxReplicas", 0),
        status.get("currentReplicas", 0),
        age(obj, now),
    ]


_COLUMNS = (
    NAME,
    Column("Reference", "=autoscaling/v2.HorizontalPodAutoscalerSpec.scaleTargetRef"),
    Column("Targets", "=autoscaling/v2.HorizontalPodAutoscalerSpec.metrics"),
    Column("MinPods", "=autoscaling/v2.HorizontalPodAutoscalerSpec.minReplicas"),
    Column("MaxPods", "=autoscaling/v2.HorizontalPodAutoscalerSpec.maxReplicas"),
    Column("Replicas", "=autoscaling/v2.HorizontalPodAutoscalerStatus.currentReplicas"),
    AGE,
)


def _budget(field: str) -> Any:
    return lambda obj: str((obj.get("spec") or {}).get(field, "N/A"))


PRINTERS = {
    "HorizontalPodAutoscaler": Printer(_COLUMNS, _autoscaler),
    "PodDisruptionBudget": named(
        (Column("Min Available", "The minimum number of pods that must be available."), _budget("minAvailable")),
        (Column("Max Unavailable", "The maximum number of pods that may be unavailable."), _budget("maxUnavailable")),
        (
            Column("Allowed Disruptions", "Calculated number of pods that may be disrupted at this time.", "integer"),
            lambda obj: (obj.get("status") or {}).get("disruptionsAllowed", 0),
        ),
    ),
}
