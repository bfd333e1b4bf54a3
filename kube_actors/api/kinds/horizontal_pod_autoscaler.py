"""HorizontalPodAutoscaler: how many pods a workload shall have, by what is measured of them.

Both versions are validated as autoscaling/v2, as Kubernetes validates its internal type: a fault of the one metric
that autoscaling/v1 has is one of `spec.metrics[0]`.
"""

from __future__ import annotations

from kube_actors.api import Obj, autoscaling
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.metrics import metrics, scale_to_zero
from kube_actors.api.validation.rules import Rules

_POLICY_TYPES = ("Percent", "Pods")
_SELECT_POLICIES = ("Disabled", "Max", "Min")
_WINDOW_MAX, _PERIOD_MAX = 3600, 1800


def _defaults(obj: Obj) -> None:
    spec = obj["spec"]
    spec.setdefault("minReplicas", 1)
    if obj.get("apiVersion") == "autoscaling/v1":
        spec.setdefault("targetCPUUtilizationPercentage", 80)
        return
    if not spec.get("metrics"):
        spec["metrics"] = [_cpu(80)]
    behavior = spec.get("behavior")
    if behavior is not None:
        _rule_defaults(behavior, "scaleUp", [("Pods", 4), ("Percent", 100)], stabilization=0)
        _rule_defaults(behavior, "scaleDown", [("Percent", 100)], stabilization=None)


def _cpu(percent: int) -> Obj:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _rule_defaults(behavior: Obj, name: str, policies: list[tuple[str, int]], stabilization: int | None) -> None:
    rules = behavior.setdefault(name, {})
    if stabilization is not None:
        rules.setdefault("stabilizationWindowSeconds", stabilization)
    rules.setdefault("selectPolicy", "Max")
    if "policies" not in rules:
        rules["policies"] = [{"type": kind, "value": value, "periodSeconds": 15} for kind, value in policies]


def _create(causes: Causes, obj: Obj) -> None:
    _validate(causes, obj, old_target=None)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _validate(causes, new, old["spec"].get("scaleTargetRef") or {})


def _validate(causes: Causes, obj: Obj, old_target: Obj | None) -> None:
    spec = autoscaling.to_v2(obj)["spec"] if obj.get("apiVersion") == "autoscaling/v1" else obj["spec"]
    measured = spec.get("metrics") or []
    _replicas(causes, spec)
    _target(causes, spec.get("scaleTargetRef") or {}, old_target, "spec.scaleTargetRef")
    metrics(causes, measured, "spec.metrics")
    if spec.get("minReplicas") == 0:
        scale_to_zero(causes, measured, "spec.metrics")
    behavior = spec.get("behavior") or {}
    for name in ("scaleUp", "scaleDown"):
        if name in behavior:
            _behavior(causes, behavior[name], f"spec.behavior.{name}")


def _replicas(causes: Causes, spec: Obj) -> None:
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    if least is not None and least < 1:
        causes.invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        causes.required("spec.maxReplicas", "must be set and greater than 0")
    if least is not None and most < least:
        causes.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")


def _target(causes: Causes, reference: Obj, old: Obj | None, path: str) -> None:
    for field in ("kind", "name"):
        references.path_segment(causes, reference.get(field, ""), f"{path}.{field}")
    version, kind = reference.get("apiVersion", ""), reference.get("kind", "")
    if old is not None and (version, kind) == (old.get("apiVersion", ""), old.get("kind", "")):
        return
    if version.count("/") > 1:
        causes.invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    elif "/" not in version.lstrip("/") and kind != "ReplicationController":
        causes.invalid(f"{path}.apiVersion", version, "apiVersion must specify API group")


def _behavior(causes: Causes, rules: Obj, path: str) -> None:
    window, select = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
    if window is not None and window < 0:
        causes.invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > _WINDOW_MAX:
        text = f"must be less than or equal to {_WINDOW_MAX}"
        causes.invalid(f"{path}.stabilizationWindowSeconds", window, text)
    if select is not None and select not in _SELECT_POLICIES:
        causes.unsupported(f"{path}.selectPolicy", select, _SELECT_POLICIES)
    policies = rules.get("policies") or ()
    if not policies:
        causes.required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(policies):
        _policy(causes, policy, f"{path}.policies[{index}]")
    if "tolerance" in rules:
        references.quantity_not_negative(causes, f"{path}.tolerance", rules["tolerance"])


def _policy(causes: Causes, policy: Obj, path: str) -> None:
    kind, value, period = policy.get("type", ""), policy.get("value", 0), policy.get("periodSeconds", 0)
    if kind not in _POLICY_TYPES:
        causes.unsupported(f"{path}.type", kind, _POLICY_TYPES)
    if value <= 0:
        causes.invalid(f"{path}.value", value, "must be greater than zero")
    if period <= 0:
        causes.invalid(f"{path}.periodSeconds", period, "must be greater than zero")
    if period > _PERIOD_MAX:
        causes.invalid(f"{path}.periodSeconds", period, f"must be less than or equal to {_PERIOD_MAX}")


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    status = new.get("status") or {}
    for field in ("currentReplicas", "desiredReplicas"):
        causes.not_negative(f"status.{field}", status.get(field, 0))


KIND = Kind(rules=Rules(create=_create, update=_update, status=_status, name=names.dns_subdomain), defaults=_defaults)
