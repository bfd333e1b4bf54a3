"""MutatingAdmissionPolicyBinding: where a mutating policy holds, and with which parameters."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import policies
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules


def _create(causes: Causes, obj: Obj) -> None:
    policies.binding(causes, obj["spec"])


KIND = Kind(
    rules=Rules(create=_create),
    rest=RestRules(unconditional_update=False),
    defaults=policies.binding_defaults,
    counted=("spec",),
)
