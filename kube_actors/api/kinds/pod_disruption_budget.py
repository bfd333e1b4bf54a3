"""PodDisruptionBudget: how many of some pods may be evicted at a time."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.conditions import conditions
from kube_actors.api.validation.metadata import label_selector
from kube_actors.api.validation.rules import Rules

_EVICTION_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def _create(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    if "minAvailable" in spec and "maxUnavailable" in spec:
        shown = {
            "MinAvailable": spec["minAvailable"],
            "Selector": spec.get("selector"),
            "MaxUnavailable": spec["maxUnavailable"],
            "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
        }
        causes.invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set")
    for field in ("minAvailable", "maxUnavailable"):
        if field in spec:
            references.int_or_percent(causes, f"spec.{field}", spec[field])
            references.at_most_all(causes, f"spec.{field}", spec[field])
    label_selector(causes, spec.get("selector") or {}, "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _EVICTION_POLICIES:
        causes.unsupported("spec.unhealthyPodEvictionPolicy", policy, _EVICTION_POLICIES)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _create(causes, new)


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    status = new.get("status") or {}
    conditions(causes, status.get("conditions") or [], "status.conditions")
    for field in _COUNTS:
        causes.not_negative(f"status.{field}", status.get(field, 0))


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status, checks_metadata=False),
    rest=RestRules(unconditional_update=False),
    counted=("spec",),
)
