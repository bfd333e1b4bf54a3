"""StorageClass: how volumes of this class are made (pkg/apis/storage/validation)."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import names, storage
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

_RECLAIM = ("Delete", "Retain")
_BINDING = ("Immediate", "WaitForFirstConsumer")
_FIXED = ("parameters", "provisioner", "reclaimPolicy")


def _defaults(obj: Obj) -> None:
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def _create(causes: Causes, obj: Obj) -> None:
    provisioner = obj.get("provisioner", "")
    if not provisioner:
        causes.required("provisioner")
    else:
        lower = provisioner.lower()
        causes.each_invalid("provisioner", lower, names.qualified_name(lower))
    storage.parameters(causes, obj.get("parameters") or {}, "parameters", may_be_empty=True)
    if obj.get("reclaimPolicy"):
        causes.one_of("reclaimPolicy", obj["reclaimPolicy"], _RECLAIM)
    causes.one_of("volumeBindingMode", obj.get("volumeBindingMode"), _BINDING)
    _topologies(causes, obj.get("allowedTopologies") or [])


def _topologies(causes: Causes, terms: list[Obj]) -> None:
    """Terms of requirements; no two of them may say the same, and none nothing."""
    # Kubernetes compares with as many terms without requirements as there are terms.
    seen: list[dict[str, frozenset[str]]] = [{} for _ in terms]
    for index, term in enumerate(terms):
        path = f"allowedTopologies[{index}].matchLabelExpressions"
        term_values = _term(causes, term.get("matchLabelExpressions") or [], path)
        for _ in range(seen.count(term_values)):
            causes.duplicate(path, "")
        seen.append(term_values)


def _term(causes: Causes, expressions: list[Obj], path: str) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for index, expression in enumerate(expressions):
        here, key, values = f"{path}[{index}]", expression.get("key", ""), expression.get("values") or []
        if not values:
            causes.required(f"{here}.values")
        for place, value in enumerate(values):
            if value in values[:place]:
                causes.duplicate(f"{here}.values[{place}]", value)
        causes.each_invalid(f"{here}.key", key, names.qualified_name(key))
        if key in found:
            causes.duplicate(f"{here}.key", key)
        found[key] = frozenset(values)
    return found


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    for field in _FIXED:
        if new.get(field) != old.get(field):
            causes.forbidden(field, f"updates to {field} are forbidden.")
    causes.immutable("volumeBindingMode", new.get("volumeBindingMode"), old.get("volumeBindingMode"))


KIND = Kind(
    rules=Rules(create=_create, update=_update), rest=RestRules(answers_deleted_object=True), defaults=_defaults
)
