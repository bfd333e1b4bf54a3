"""VolumeAttributesClass: attributes of a volume that may change while it is used."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import names, storage
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

PROTECTION = "kubernetes.io/vac-protection"


def _create(causes: Causes, obj: Obj) -> None:
    driver = obj.get("driverName", "")
    if not driver:
        causes.required("driverName")
    else:
        lower = driver.lower()
        causes.each_invalid("driverName", lower, names.qualified_name(lower))
    storage.parameters(causes, obj.get("parameters") or {}, "parameters", may_be_empty=False)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    for field in ("driverName", "parameters"):
        if new.get(field) != old.get(field):
            causes.forbidden(field, f"updates to {field} are forbidden.")
    _create(causes, new)


def _protect(obj: Obj) -> None:
    """Volumes may use the class: it goes when the controller has seen that none does."""
    finalizers = obj["metadata"].setdefault("finalizers", [])
    if PROTECTION not in finalizers:
        finalizers.append(PROTECTION)


KIND = Kind(
    rules=Rules(create=_create, update=_update),
    rest=RestRules(answers_deleted_object=True),
    prepare_create=_protect,
)
