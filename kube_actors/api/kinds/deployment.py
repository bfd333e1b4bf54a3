"""Deployment: a ReplicaSet that is replaced by another, pod by pod (ValidateDeployment)."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.defaults.pods import pod_template
from kube_actors.api.gotext import go_json
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import references, workloads
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.rules import Rules

_QUARTER = "25%"
_STRATEGIES = ("Recreate", "RollingUpdate")
_COUNTS = (
    "observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas",
)  # fmt: skip


def _defaults(obj: Obj) -> None:
    spec = obj["spec"]
    pod_template(spec.get("template"))
    spec.setdefault("replicas", 1)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", _QUARTER)
        rolling.setdefault("maxSurge", _QUARTER)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def _prepare_status(new: Obj, old: Obj) -> None:
    """Labels do not come with a status; annotations do."""
    new["metadata"].pop("labels", None)
    if "labels" in old["metadata"]:
        new["metadata"]["labels"] = old["metadata"]["labels"]


def _create(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    causes.not_negative("spec.replicas", spec.get("replicas", 0))
    workloads.selector_and_template(causes, spec, "deployment")
    _strategy(causes, spec.get("strategy") or {}, "spec.strategy")
    ready = spec.get("minReadySeconds", 0)
    causes.not_negative("spec.minReadySeconds", ready)
    if "revisionHistoryLimit" in spec:
        causes.not_negative("spec.revisionHistoryLimit", spec["revisionHistoryLimit"])
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        causes.not_negative("spec.progressDeadlineSeconds", deadline)
        if deadline <= ready and ready >= 0:
            causes.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _strategy(causes: Causes, strategy: Obj, path: str) -> None:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            text = "may not be specified when strategy `type` is 'Recreate'"
            causes.forbidden(f"{path}.rollingUpdate", text)
    elif kind != "RollingUpdate":
        causes.unsupported(path, Raw(go_json({"Type": kind, "RollingUpdate": rolling})), _STRATEGIES)
    elif rolling is None:
        causes.required(f"{path}.rollingUpdate", "this should be defaulted and never be nil")
    else:
        _rolling(causes, rolling, f"{path}.rollingUpdate")


def _rolling(causes: Causes, rolling: Obj, path: str) -> None:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    references.int_or_percent(causes, f"{path}.maxUnavailable", unavailable)
    references.int_or_percent(causes, f"{path}.maxSurge", surge)
    if workloads.is_zero(unavailable) and workloads.is_zero(surge):
        causes.invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    references.at_most_all(causes, f"{path}.maxUnavailable", unavailable)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _create(causes, new)
    workloads.immutable_selector(causes, new, old)


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    status = new.get("status") or {}
    workloads.replica_status(causes, status, _COUNTS)
    if status.get("collisionCount", 0) < 0:
        causes.not_negative("status.collisionCount", status["collisionCount"])
    workloads.collisions(causes, new, old)


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status),
    defaults=_defaults,
    # An annotation counts, too: a rollout may be asked for by one.
    counted=("spec", "metadata.annotations"),
    prepare_status=_prepare_status,
)
