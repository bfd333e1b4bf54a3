"""ReplicaSet: so many pods of one template (ValidateReplicaSet)."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.defaults.pods import pod_template
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import workloads
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules


def _defaults(obj: Obj) -> None:
    pod_template(obj["spec"].get("template"))
    obj["spec"].setdefault("replicas", 1)


def _create(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    causes.not_negative("spec.replicas", spec.get("replicas", 0))
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds", 0))
    selector = workloads.checked_selector(causes, spec, "replicaset")
    workloads.matching_template(causes, spec, selector)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _create(causes, new)
    workloads.immutable_selector(causes, new, old)


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    workloads.replica_status(causes, new.get("status") or {}, workloads.REPLICAS)


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status),
    defaults=_defaults,
    counted=("spec",),
)
