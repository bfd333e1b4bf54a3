"""ReplicationController: what ReplicaSets replaced; its selector is labels alone."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.defaults.pods import pod_template
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.selectors import LabelSelector
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules
from kube_actors.api.validation.workloads import REPLICAS, matching_template, replica_status


def _defaults(obj: Obj) -> None:
    spec = obj["spec"]
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)
    spec.setdefault("replicas", 1)
    pod_template(spec.get("template"))


def _create(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    causes.not_negative("spec.minReadySeconds", spec.get("minReadySeconds", 0))
    if not spec.get("selector"):
        causes.required("spec.selector")
    if "replicas" in spec:
        causes.not_negative("spec.replicas", spec["replicas"])
    else:
        causes.required("spec.replicas")
    selector = LabelSelector.from_labels(spec.get("selector"))
    matching_template(causes, spec, selector, kind="ReplicationController")


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    replica_status(causes, new.get("status") or {}, REPLICAS)


KIND = Kind(
    rules=Rules(create=_create, status=_status),
    rest=RestRules(answers_deleted_object=True, default_propagation="Orphan"),
    defaults=_defaults,
    counted=("spec",),
)
