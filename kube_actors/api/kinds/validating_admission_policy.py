"""ValidatingAdmissionPolicy: expressions that have to be true of what is written."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import names, policies
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.conditions import conditions
from kube_actors.api.validation.expressions import Variables, expression
from kube_actors.api.validation.rules import Rules

_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_ANNOTATIONS_MAX, _VALUE_BYTES = 20, 5 * 1024


def _create(causes: Causes, obj: Obj) -> None:
    _policy(causes, obj, kept_conditions=False)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _policy(causes, new, kept_conditions=policies.keeps_conditions(new, old))


def _policy(causes: Causes, obj: Obj, *, kept_conditions: bool) -> None:
    spec = obj["spec"]
    policies.policy(causes, spec, kept_conditions=kept_conditions)
    known = policies.variables_of(spec)
    validations, annotations = spec.get("validations") or (), spec.get("auditAnnotations") or []
    if not validations and not annotations:
        text = "validations or auditAnnotations must contain at least one item"
        causes.required("spec.validations", text)
        causes.required("spec.auditAnnotations", text)
    for index, validation in enumerate(validations):
        _validation(causes, validation, f"spec.validations[{index}]", known)
    _audit_annotations(causes, annotations, obj["metadata"].get("name", ""), known)


def _validation(causes: Causes, validation: Obj, path: str, known: Variables) -> None:
    text, message, said = (validation.get(field, "") for field in ("expression", "message", "messageExpression"))
    if not text.strip():
        causes.required(f"{path}.expression", "expression is not specified")
    else:
        expression(causes, text, f"{path}.expression", known, ("bool",))
    if said and not said.strip():
        causes.invalid(f"{path}.messageExpression", said, "must be non-empty if specified")
    elif said:
        expression(causes, said, f"{path}.messageExpression", known, ("string",))
    if message and not message.strip():
        causes.invalid(f"{path}.message", message, "message must be non-empty if specified")
    elif any(newline in message.strip() for newline in "\r\n"):
        causes.invalid(f"{path}.message", message, "message must not contain line breaks")
    reason = validation.get("reason")
    if reason is not None and reason not in _REASONS:
        causes.unsupported(f"{path}.reason", reason, _REASONS)


def _audit_annotations(causes: Causes, items: list[Obj], name: str, known: Variables) -> None:
    path = "spec.auditAnnotations"
    if len(items) > _ANNOTATIONS_MAX:
        causes.invalid(path, items, f"must not have more than {_ANNOTATIONS_MAX} auditAnnotations")
    seen: set[str] = set()
    for index, item in enumerate(items):
        here, key, value = f"{path}[{index}]", item.get("key", ""), item.get("valueExpression", "").strip()
        if name:
            causes.each_invalid(f"{here}.key", f"{name}/{key}", names.qualified_name(f"{name}/{key}"))
        else:
            causes.invalid(f"{here}.key", key, "requires metadata.name be non-empty")
        if not value:
            causes.required(f"{here}.valueExpression", "valueExpression is not specified")
        elif len(value) > _VALUE_BYTES:
            causes.required(f"{here}.valueExpression", f"must not exceed {_VALUE_BYTES} bytes in length")
        else:
            expression(causes, value, f"{here}.valueExpression", known, ("string", "null_type"))
        if key in seen:
            causes.duplicate(f"{here}.key", key)
        seen.add(key)


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    status = new.get("status") or {}
    warnings = (status.get("typeChecking") or {}).get("expressionWarnings") or ()
    for index, warning in enumerate(warnings):
        for field in ("warning", "fieldRef"):
            if not warning.get(field, "").strip():
                causes.required(f"status.typeChecking.expressionWarnings[{index}].{field}")
    conditions(causes, status.get("conditions") or [], "status.conditions")


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status),
    rest=RestRules(unconditional_update=False),
    defaults=policies.policy_defaults,
    counted=("spec",),
    status_takes_metadata=False,
)
