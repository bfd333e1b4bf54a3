"""ValidatingAdmissionPolicyBinding: where a validating policy holds, with which parameters and consequences."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import policies
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

_ACTIONS = ("Audit", "Deny", "Warn")
_BOTH_TEXT = (
    "must not contain both Deny and Warn (repeating the same validation failure information in the API response and "
    "headers serves no purpose)"
)


def _create(causes: Causes, obj: Obj) -> None:
    policies.binding(causes, obj["spec"])
    actions, path = obj["spec"].get("validationActions") or [], "spec.validationActions"
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            causes.unsupported(f"{path}[{index}]", action, _ACTIONS)
        if action in actions[:index]:
            causes.duplicate(f"{path}[{index}]", action)
    if {"Deny", "Warn"} <= set(actions):
        causes.invalid(path, actions, _BOTH_TEXT)
    if not actions:
        causes.required(path, "at least one validation action is required")


KIND = Kind(
    rules=Rules(create=_create),
    rest=RestRules(unconditional_update=False),
    defaults=policies.binding_defaults,
    counted=("spec",),
)
