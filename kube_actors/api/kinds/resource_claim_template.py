"""ResourceClaimTemplate: of what each pod's own ResourceClaim is made."""

from __future__ import annotations

from kube_actors.api import Obj, schema
from kube_actors.api.gotext import go_json
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import device_claims
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.internal import internal_form
from kube_actors.api.validation.metadata import check_annotations, labels
from kube_actors.api.validation.rules import Rules


def _defaults(obj: Obj) -> None:
    device_claims.defaults(obj["spec"].get("spec") or {})


def _create(causes: Causes, obj: Obj) -> None:
    meta = obj["spec"].get("metadata") or {}
    labels(causes, meta.get("labels") or {}, "spec.metadata.labels")
    check_annotations(causes, meta.get("annotations") or {}, "spec.metadata.annotations")
    device_claims.claim_spec(causes, obj["spec"].get("spec") or {}, "spec.spec")


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    if new["spec"] == old["spec"]:
        return
    node = schema.definition("io.k8s.api.resource.v1.ResourceClaimSpec")
    shown = {**(new["spec"].get("metadata") or {}), "Spec": internal_form(node, new["spec"].get("spec") or {})}
    causes.invalid("spec", Raw(go_json(shown)), "field is immutable")


KIND = Kind(
    rules=Rules(create=_create, update=_update), rest=RestRules(answers_deleted_object=True), defaults=_defaults
)
