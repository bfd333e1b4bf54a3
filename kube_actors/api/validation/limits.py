"""ResourceQuotas and LimitRanges."""

from __future__ import annotations

from kube_actors.api import Obj, quantity
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes

_SCOPES = frozenset((
    "Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
))  # fmt: skip
# Scopes that are chosen by a value; the others hold for an object or they do not.
_VALUED = frozenset(("PriorityClass", "VolumeAttributesClass"))
_ONLY_EXISTS = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
_CONFLICTS = (("Terminating", "NotTerminating"), ("BestEffort", "NotBestEffort"))
_COMPUTE = frozenset((
    "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory", "ephemeral-storage",
    "limits.ephemeral-storage", "requests.ephemeral-storage",
))  # fmt: skip
_LIMIT_TYPES = ("Pod", "Container", "PersistentVolumeClaim")


def quota_resource(causes: Causes, name: str, path: str) -> None:
    """The name of something that a quota can count."""
    causes.each_invalid(path, name, names.qualified_name(name))
    if "/" not in name and not references.is_standard_resource(name):
        causes.invalid(path, name, "must be a standard resource type or fully qualified")
        causes.invalid(path, name, "must be a standard resource for quota")


def _amounts(causes: Causes, hard: dict[str, str], path: str) -> None:
    for name, amount in hard.items():
        where = f"{path}[{name}]"
        quota_resource(causes, name, where)
        references.quantity_not_negative(causes, where, amount)
        if _is_count(name):
            references.whole_quantity(causes, where, amount)


def _is_count(name: str) -> bool:
    return name not in _COMPUTE and "storage" not in name and "hugepages-" not in name


def quota(causes: Causes, obj: Obj) -> None:
    """A ResourceQuota but its metadata."""
    spec = obj["spec"]
    hard = spec.get("hard") or {}
    _amounts(causes, hard, "spec.hard")
    scopes = spec.get("scopes") or []
    for scope in scopes:
        if scope not in _SCOPES:
            causes.invalid("spec.scopes", scopes, "unsupported scope")
        for name in hard:
            if scope in _SCOPES and not _scope_fits(scope, name):
                causes.invalid("spec.scopes", scopes, "unsupported scope applied to resource")
    for pair in _CONFLICTS:
        if all(scope in scopes for scope in pair):
            causes.invalid("spec.scopes", scopes, "conflicting scopes")
    for expression in (spec.get("scopeSelector") or {}).get("matchExpressions") or ():
        _scope_expression(causes, expression)


def _scope_fits(scope: str, name: str) -> bool:
    if scope in ("BestEffort",):
        return name == "pods"
    return name == "pods" or name in _COMPUTE


def _scope_expression(causes: Causes, expression: Obj) -> None:
    path = "spec.scopeSelector.matchExpressions"
    scope, operator = expression.get("scopeName", ""), expression.get("operator", "")
    if scope not in _SCOPES:
        causes.invalid(f"{path}.scopeName", scope, "unsupported scope")
    if scope in _SCOPES - _VALUED and operator != "Exists":
        causes.invalid(f"{path}.operator", operator, _ONLY_EXISTS)
    if operator in ("In", "NotIn"):
        if not expression.get("values"):
            text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            causes.required(f"{path}.values", text)
    elif operator in ("Exists", "DoesNotExist"):
        if expression.get("values"):
            text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            causes.invalid(f"{path}.values", expression["values"], text)
    else:
        causes.invalid(f"{path}.operator", operator, "not a valid selector operator")


def quota_update(causes: Causes, new: Obj, old: Obj) -> None:
    """What a quota counts may change, its scopes may not."""
    quota(causes, new)
    if (new["spec"].get("scopes") or []) != (old["spec"].get("scopes") or []):
        causes.invalid("spec.scopes", new["spec"].get("scopes"), "field is immutable")


def quota_status(causes: Causes, new: Obj, old: Obj) -> None:
    """What is used of what."""
    for field in ("hard", "used"):
        _amounts(causes, (new.get("status") or {}).get(field) or {}, f"status.{field}")


def limit_range(causes: Causes, obj: Obj) -> None:
    """A LimitRange but its metadata."""
    seen: set[str] = set()
    for index, limit in enumerate(obj["spec"].get("limits") or ()):
        here = f"spec.limits[{index}]"
        kind = limit.get("type", "")
        causes.each_invalid(f"{here}.type", kind, names.qualified_name(kind))
        if "/" not in kind and kind not in _LIMIT_TYPES:
            causes.invalid(f"{here}.type", kind, "must be a standard limit type or fully qualified")
        if kind in seen:
            causes.duplicate(f"{here}.type", kind)
            continue
        seen.add(kind)
        if kind == "Pod":
            for field in ("default", "defaultRequest"):
                if limit.get(field):
                    causes.forbidden(f"{here}.{field}", "may not be specified when `type` is 'Pod'")
        if kind == "PersistentVolumeClaim" and not any(
            "storage" in (limit.get(field) or {}) for field in ("min", "max")
        ):
            text = "either minimum or maximum storage value is required, but neither was provided"
            causes.required(f"{here}.limits", text)
        _limit_amounts(causes, limit, kind, here)


def _limit_amounts(causes: Causes, limit: Obj, kind: str, path: str) -> None:
    fields = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
    lists = {field: limit.get(field) or {} for field in fields}
    for field in fields:
        if kind == "Pod" and field.startswith("default"):
            continue
        for name in lists[field]:
            if kind == "Container":
                references.resource_name(causes, f"{path}.{field}[{name}]", name)
    for name in dict.fromkeys(name for field in fields for name in lists[field]):
        low, high = lists["min"].get(name), lists["max"].get(name)
        default, request = lists["default"].get(name), lists["defaultRequest"].get(name)
        _less(causes, f"{path}.min[{name}]", low, high, f"min value {low} is greater than max value {high}", low)
        text = f"min value {low} is greater than default request value {request}"
        _less(causes, f"{path}.defaultRequest[{name}]", low, request, text, request)
        text = f"default request value {request} is greater than max value {high}"
        _less(causes, f"{path}.defaultRequest[{name}]", request, high, text, request)
        text = f"default request value {request} is greater than default limit value {default}"
        _less(causes, f"{path}.defaultRequest[{name}]", request, default, text, request)
        text = f"min value {low} is greater than default value {default}"
        _less(causes, f"{path}.default[{name}]", low, default, text, low)
        text = f"default value {default} is greater than max value {high}"
        _less(causes, f"{path}.default[{name}]", default, high, text, high)
        ratio = lists["maxLimitRequestRatio"].get(name)
        if ratio is not None and quantity.compare(ratio, "1") < 0:
            causes.invalid(f"{path}.maxLimitRequestRatio[{name}]", ratio, f"ratio {ratio} is less than 1")


def _less(causes: Causes, path: str, small: str | None, large: str | None, text: str, shown: str | None) -> None:
    if small is not None and large is not None and quantity.compare(small, large) > 0:
        causes.invalid(path, shown, text)
