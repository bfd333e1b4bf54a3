"""What validating and mutating admission policies and their bindings have in common."""

from __future__ import annotations

import re

from kube_actors.api import Obj
from kube_actors.api.validation import expressions, names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.matching import FAILURE_POLICIES, match_conditions, match_defaults, match_resources
from kube_actors.api.validation.metadata import label_selector

_ACTIONS = ("Deny", "Allow")
_IDENTIFIER = re.compile("[_a-zA-Z][_a-zA-Z0-9]*")
_RESERVED = frozenset((
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
    "loop", "package", "namespace", "return", "var", "void", "while",
))  # fmt: skip


def policy_defaults(obj: Obj) -> None:
    obj["spec"].setdefault("failurePolicy", "Fail")
    match_defaults(obj["spec"].get("matchConstraints"))


def binding_defaults(obj: Obj) -> None:
    match_defaults(obj["spec"].get("matchResources"))


def policy(causes: Causes, spec: Obj, *, kept_conditions: bool) -> None:
    """The part of a policy's spec before its validations or mutations."""
    failure = spec.get("failurePolicy")
    if failure is None:
        causes.required("spec.failurePolicy")
    elif failure not in FAILURE_POLICIES:
        causes.unsupported("spec.failurePolicy", failure, FAILURE_POLICIES)
    if "paramKind" in spec:
        _param_kind(causes, spec["paramKind"], "spec.paramKind")
    match = spec.get("matchConstraints")
    if match is None:
        causes.required("spec.matchConstraints")
    else:
        match_resources(causes, match, "spec.matchConstraints")
        if not match.get("resourceRules"):
            causes.required("spec.matchConstraints.resourceRules")
    if not kept_conditions:
        items = spec.get("matchConditions") or []
        match_conditions(causes, items, "spec.matchConditions", params="paramKind" in spec)
    for index, variable in enumerate(spec.get("variables") or ()):
        _variable(causes, variable, f"spec.variables[{index}]", variables_of(spec, index))


def variables_of(spec: Obj, before: int | None = None) -> expressions.Variables:
    """What an expression of the policy may speak of; of its own variables those that come before the given one."""
    names = (one.get("name", "") for one in (spec.get("variables") or [])[:before])
    return expressions.admission(params="paramKind" in spec, variables=filter(is_identifier, names))


def keeps_conditions(new: Obj, old: Obj) -> bool:
    """Whether an update leaves everything alone on which the match conditions depend."""
    return all(new["spec"].get(field) == old["spec"].get(field) for field in ("paramKind", "matchConditions"))


def _param_kind(causes: Causes, kind: Obj, path: str) -> None:
    text, name = kind.get("apiVersion", ""), kind.get("kind", "")
    group, _, version = text.rpartition("/")
    if not text:
        causes.required(f"{path}.apiVersion")
    elif text.count("/") > 1:
        causes.invalid(f"{path}.apiVersion", text, f"unexpected GroupVersion string: {text}")
    else:
        faults = names.dns_subdomain(group) if group else ()
        if faults:
            causes.invalid(f"{path}.apiVersion", group, ",".join(faults))
        if not version:
            causes.invalid(f"{path}.apiVersion", text, "version must be specified")
        elif names.dns_label_1035(version):
            causes.invalid(f"{path}.apiVersion", version, ",".join(names.dns_label_1035(version)))
    if not name:
        causes.required(f"{path}.kind")
    elif names.dns_label_1035(name.lower()):
        text = "may have mixed case, but should otherwise match: " + ",".join(names.dns_label_1035(name.lower()))
        causes.invalid(f"{path}.kind", name, text)


def _variable(causes: Causes, variable: Obj, path: str, known: expressions.Variables) -> None:
    name = variable.get("name", "")
    if not name.strip():
        causes.required(f"{path}.name", "name is not specified")
    elif not is_identifier(name):
        causes.invalid(f"{path}.name", name, "must be a valid CEL identifier")
    text = variable.get("expression", "")
    if not text.strip():
        causes.required(f"{path}.expression", "expression is not specified")
    else:
        expressions.expression(causes, text, f"{path}.expression", known, ())


def is_identifier(name: str) -> bool:
    """Whether CEL can speak of a variable of this name."""
    return bool(_IDENTIFIER.fullmatch(name)) and name not in _RESERVED


def binding(causes: Causes, spec: Obj) -> None:
    """Which policy holds where, with which parameters."""
    name = spec.get("policyName", "")
    if not name:
        causes.required("spec.policyName")
    else:
        causes.each_invalid("spec.policyName", name, names.dns_subdomain(name))
    if "paramRef" in spec:
        _param_ref(causes, spec["paramRef"], "spec.paramRef")
    if "matchResources" in spec:
        match_resources(causes, spec["matchResources"], "spec.matchResouces")  # Kubernetes spells it so


def _param_ref(causes: Causes, reference: Obj, path: str) -> None:
    name, exclusive = reference.get("name", ""), "name and selector are mutually exclusive"
    causes.each_invalid(f"{path}.name", name, names.path_segment(name) if name else ())
    if "selector" in reference:
        if name:
            causes.forbidden(f"{path}.name", exclusive)
        label_selector(causes, reference["selector"], f"{path}.selector")
        if name:
            causes.forbidden(f"{path}.selector", exclusive)
    elif not name:
        causes.required(path, "one of name or selector must be specified")
    action = reference.get("parameterNotFoundAction")
    if not action:
        causes.required(f"{path}.parameterNotFoundAction")
    elif action not in _ACTIONS:
        causes.unsupported(f"{path}.parameterNotFoundAction", action, _ACTIONS)
