"""DaemonSet: a pod on every node (ValidateDaemonSet)."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.defaults.pods import pod_template
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import references, workloads
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
_COUNTS = (
    "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady", "observedGeneration",
    "updatedNumberScheduled", "numberAvailable", "numberUnavailable",
)  # fmt: skip


def _defaults(obj: Obj) -> None:
    spec = obj["spec"]
    pod_template(spec.get("template"))
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)


def _prepare_create(obj: Obj) -> None:
    annotations = obj["metadata"].setdefault("annotations", {})
    annotations[TEMPLATE_GENERATION] = "1"


def _prepare_update(new: Obj, old: Obj) -> None:
    before = int((old["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, "0"))
    grown = new["spec"].get("template") != old["spec"].get("template")
    new["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = str(before + grown)


def _create(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    selector = workloads.checked_selector(causes, spec, "daemonset")
    workloads.matching_template(causes, spec, selector, kind="DaemonSet")
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds", 0))
    _strategy(causes, spec.get("updateStrategy") or {}, "spec.updateStrategy")
    if "revisionHistoryLimit" in spec:
        causes.not_negative("spec.revisionHistoryLimit", spec["revisionHistoryLimit"])


def _strategy(causes: Causes, strategy: Obj, path: str) -> None:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        causes.unsupported(f"{path}.type", kind or "", ("RollingUpdate", "OnDelete"))
        return
    if rolling is None:
        causes.required(f"{path}.rollingUpdate")
        return
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    where = f"{path}.rollingUpdate"
    references.int_or_percent(causes, f"{where}.maxUnavailable", unavailable)
    references.int_or_percent(causes, f"{where}.maxSurge", surge)
    references.at_most_all(causes, f"{where}.maxUnavailable", unavailable)
    references.at_most_all(causes, f"{where}.maxSurge", surge)
    if not workloads.is_zero(unavailable) and not workloads.is_zero(surge):
        causes.invalid(f"{where}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif workloads.is_zero(unavailable) and workloads.is_zero(surge):
        causes.required(f"{where}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    workloads.immutable_selector(causes, new, old)
    _create(causes, new)


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    status = new.get("status") or {}
    for field in _COUNTS:
        causes.not_negative(f"status.{field}", status.get(field, 0))
    if status.get("collisionCount", 0) < 0:
        causes.not_negative("status.collisionCount", status["collisionCount"])
    workloads.collisions(causes, new, old)


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status),
    defaults=_defaults,
    counted=("spec",),
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
)
