"""The apps group (k8s.io/kubernetes/pkg/apis/apps/validation)."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.claims import claim_spec
from kube_actors.api.validation.metadata import shown_selector
from kube_actors.api.validation.rules import Rules
from kube_actors.api.validation.workloads import (
    checked_selector,
    matching_template,
    replica_status,
    selector_and_template,
)


def _zero(value: object) -> bool:
    return value == 0 or references.percent_of(value) == 0


def _rolling_deployment(causes: Causes, rolling: Obj, path: str) -> None:
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    references.int_or_percent(causes, f"{path}.maxUnavailable", unavailable)
    references.int_or_percent(causes, f"{path}.maxSurge", surge)
    if _zero(unavailable) and _zero(surge):
        causes.invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    references.at_most_all(causes, f"{path}.maxUnavailable", unavailable)


def _deployment(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    causes.not_negative("spec.replicas", spec.get("replicas", 0))
    selector_and_template(causes, spec, "deployment")
    strategy = spec.get("strategy") or {}
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            text = "may not be specified when strategy `type` is 'Recreate'"
            causes.forbidden("spec.strategy.rollingUpdate", text)
    elif kind == "RollingUpdate":
        if rolling is None:
            causes.required("spec.strategy.rollingUpdate", "this should be defaulted and never be nil")
        else:
            _rolling_deployment(causes, rolling, "spec.strategy.rollingUpdate")
    else:
        shown = Raw(go_json({"Type": kind, "RollingUpdate": rolling}))
        causes.unsupported("spec.strategy", shown, ("Recreate", "RollingUpdate"))
    ready = spec.get("minReadySeconds", 0)
    causes.not_negative("spec.minReadySeconds", ready)
    if "revisionHistoryLimit" in spec:
        causes.not_negative("spec.revisionHistoryLimit", spec["revisionHistoryLimit"])
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        causes.not_negative("spec.progressDeadlineSeconds", deadline)
        if deadline <= ready and ready >= 0:
            causes.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _immutable_selector(causes: Causes, new: Obj, old: Obj) -> None:
    selector, before = new["spec"].get("selector"), old["spec"].get("selector")
    if selector != before:
        causes.invalid("spec.selector", shown_selector(selector), "field is immutable")


def _deployment_update(causes: Causes, new: Obj, old: Obj) -> None:
    _deployment(causes, new)
    _immutable_selector(causes, new, old)


def _collisions(causes: Causes, new: Obj, old: Obj) -> None:
    count, before = (obj.get("status", {}).get("collisionCount") for obj in (new, old))
    if before is not None and (count is None or count < before):
        causes.invalid("status.collisionCount", count or 0, "cannot be decremented")


def _deployment_status(causes: Causes, new: Obj, old: Obj) -> None:
    fields = (
        "observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas",
        "unavailableReplicas",
    )  # fmt: skip
    status = new.get("status") or {}
    replica_status(causes, status, fields)
    if status.get("collisionCount", 0) < 0:
        causes.not_negative("status.collisionCount", status["collisionCount"])
    _collisions(causes, new, old)


def _replica_set(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    causes.not_negative("spec.replicas", spec.get("replicas", 0))
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds", 0))
    selector = checked_selector(causes, spec, "replicaset")
    matching_template(causes, spec, selector)


def _replica_set_update(causes: Causes, new: Obj, old: Obj) -> None:
    _replica_set(causes, new)
    _immutable_selector(causes, new, old)


def _replica_set_status(causes: Causes, new: Obj, old: Obj) -> None:
    fields = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
    replica_status(causes, new.get("status") or {}, fields)


def _daemon_set(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    selector = checked_selector(causes, spec, "daemonset")
    matching_template(causes, spec, selector, kind="DaemonSet")
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds", 0))
    _daemon_strategy(causes, spec.get("updateStrategy") or {}, "spec.updateStrategy")
    if "revisionHistoryLimit" in spec:
        causes.not_negative("spec.revisionHistoryLimit", spec["revisionHistoryLimit"])


def _daemon_strategy(causes: Causes, strategy: Obj, path: str) -> None:
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
    if not _zero(unavailable) and not _zero(surge):
        causes.invalid(f"{where}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
    elif _zero(unavailable) and _zero(surge):
        causes.required(f"{where}.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _daemon_set_update(causes: Causes, new: Obj, old: Obj) -> None:
    _immutable_selector(causes, new, old)
    _daemon_set(causes, new)


def _daemon_set_status(causes: Causes, new: Obj, old: Obj) -> None:
    status = new.get("status") or {}
    fields = (
        "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady", "observedGeneration",
        "updatedNumberScheduled", "numberAvailable", "numberUnavailable",
    )  # fmt: skip
    for field in fields:
        causes.not_negative(f"status.{field}", status.get(field, 0))
    _collisions(causes, new, old)


_STATEFUL_TEXT = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_STATEFUL_MUTABLE = frozenset((
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
))  # fmt: skip


def _stateful_set(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    policy = spec.get("podManagementPolicy", "")
    if not policy:
        causes.required("spec.podManagementPolicy")
    elif policy not in ("OrderedReady", "Parallel"):
        causes.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    _stateful_strategy(causes, spec.get("updateStrategy") or {}, "spec.updateStrategy")
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for field in ("whenDeleted", "whenScaled"):
        if field in retention and retention[field] not in ("Retain", "Delete"):
            path = f"spec.persistentVolumeClaimRetentionPolicy.{field}"
            causes.unsupported(path, retention[field], ("Retain", "Delete"))
    if spec.get("serviceName"):
        causes.each_invalid("spec.serviceName", spec["serviceName"], names.dns_label(spec["serviceName"]))
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        claim_spec(causes, claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}].spec")
    causes.not_negative("spec.replicas", spec.get("replicas", 0))
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds", 0))
    start = (spec.get("ordinals") or {}).get("start", 0)
    causes.not_negative("spec.ordinals.start", start)
    selector = checked_selector(causes, spec, "statefulset")
    matching_template(causes, _with_claims(spec), selector, kind="StatefulSet")


def _with_claims(spec: Obj) -> Obj:
    """The spec with a volume for every claim template, which containers may mount."""
    names_of = [(claim.get("metadata") or {}).get("name", "") for claim in spec.get("volumeClaimTemplates") or ()]
    pods = (spec.get("template") or {}).get("spec")
    if not names_of or not pods:
        return spec
    claims = [{"name": name, "persistentVolumeClaim": {"claimName": name or "-"}} for name in names_of]
    others = [volume for volume in pods.get("volumes") or () if volume.get("name") not in names_of]
    return {**spec, "template": {**spec["template"], "spec": {**pods, "volumes": [*claims, *others]}}}


def _stateful_strategy(causes: Causes, strategy: Obj, path: str) -> None:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    if not kind:
        causes.required(path)
    elif kind == "OnDelete":
        if rolling is not None:
            text = "only allowed for updateStrategy 'RollingUpdate'"
            causes.invalid(f"{path}.rollingUpdate", _internal_rolling(rolling), text)
    elif kind == "RollingUpdate":
        partition = (rolling or {}).get("partition", 0)
        causes.not_negative(f"{path}.rollingUpdate.partition", partition)
    else:
        shown = Raw(go_json({"Type": kind, "RollingUpdate": _internal_rolling_json(rolling)}))
        causes.invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")


def _internal_rolling_json(rolling: Obj | None) -> Obj | None:
    if rolling is None:
        return None
    return {"Partition": rolling.get("partition", 0), "MaxUnavailable": rolling.get("maxUnavailable")}


def _internal_rolling(rolling: Obj) -> Raw:
    return Raw(go_json(_internal_rolling_json(rolling)))


def _stateful_set_update(causes: Causes, new: Obj, old: Obj) -> None:
    _stateful_set(causes, new)
    rest, before = (
        {key: value for key, value in obj["spec"].items() if key not in _STATEFUL_MUTABLE} for obj in (new, old)
    )
    if rest != before:
        causes.forbidden("spec", _STATEFUL_TEXT)


def _stateful_set_status(causes: Causes, new: Obj, old: Obj) -> None:
    fields = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    status = new.get("status") or {}
    replica_status(causes, status, fields)
    _collisions(causes, new, old)


def _revision(causes: Causes, obj: Obj) -> None:
    if obj.get("data") is None:
        causes.required("data", "data is mandatory")
    causes.not_negative("revision", obj.get("revision", 0))


def _revision_update(causes: Causes, new: Obj, old: Obj) -> None:
    _revision(causes, new)
    if new.get("data") != old.get("data"):
        causes.invalid("data", new.get("data"), "field is immutable")


RULES = {
    "ControllerRevision": Rules(create=_revision, update=_revision_update),
    "DaemonSet": Rules(create=_daemon_set, update=_daemon_set_update, status=_daemon_set_status),
    "Deployment": Rules(create=_deployment, update=_deployment_update, status=_deployment_status),
    "ReplicaSet": Rules(create=_replica_set, update=_replica_set_update, status=_replica_set_status),
    "StatefulSet": Rules(create=_stateful_set, update=_stateful_set_update, status=_stateful_set_status),
}
