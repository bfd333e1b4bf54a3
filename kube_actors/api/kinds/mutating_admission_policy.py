"""MutatingAdmissionPolicy: expressions that give changes to what is written."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import policies
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.expressions import Variables, compiled_type
from kube_actors.api.validation.rules import Rules

_REINVOCATION = ("IfNeeded", "Never")
# The type of a mutation, and the field that holds its expression.
_PATCHES = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
# What its expression gives: in messages, and by the names of types.
_RESULTS = {"ApplyConfiguration": ("Object", ("Object", "map")), "JSONPatch": ("list(JSONPatch)", ("list",))}


def _create(causes: Causes, obj: Obj) -> None:
    _policy(causes, obj["spec"], kept_conditions=False)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _policy(causes, new["spec"], kept_conditions=policies.keeps_conditions(new, old))


def _policy(causes: Causes, spec: Obj, *, kept_conditions: bool) -> None:
    policies.policy(causes, spec, kept_conditions=kept_conditions)
    mutations = spec.get("mutations") or ()
    if not mutations:
        causes.required("spec.mutations", "mutations must contain at least one item")
    for index, mutation in enumerate(mutations):
        _mutation(causes, mutation, f"spec.mutations[{index}]", policies.variables_of(spec))
    causes.one_of("spec.reinvocationPolicy", spec.get("reinvocationPolicy"), _REINVOCATION)


def _mutation(causes: Causes, mutation: Obj, path: str, known: Variables) -> None:
    kind = mutation.get("patchType", "")
    own = _PATCHES.get(kind)
    if own is None:
        causes.one_of(f"{path}.patchType", kind, tuple(_PATCHES))
        return
    if own not in mutation:
        causes.required(f"{path}.{own}", f"must be specified when patchType is {kind}")
    for other in _PATCHES.values():
        if other != own and other in mutation:
            text = f"must not be specified when patchType is {kind}"
            causes.invalid(f"{path}.{other}", f"{{{other}}}", text)
    if own in mutation:
        text = mutation[own].get("expression", "").strip()
        if text:
            _expression(causes, kind, text, f"{path}.{own}.expression", known)
        else:
            causes.required(f"{path}.{own}.expression", "expression is not specified")


def _expression(causes: Causes, kind: str, text: str, path: str, known: Variables) -> None:
    """It compiles, and gives what the type of its mutation wants, as far as that is known."""
    found = compiled_type(causes, text, path, known, constructs=True)
    wanted, allowed = _RESULTS[kind]
    if found is not None and found not in (*allowed, "dyn"):
        causes.invalid(path, text, f"must evaluate to {wanted} but got {found}")


KIND = Kind(
    rules=Rules(create=_create, update=_update),
    rest=RestRules(unconditional_update=False),
    defaults=policies.policy_defaults,
    counted=("spec",),
)
