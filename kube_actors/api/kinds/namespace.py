"""Namespace: it exists until its content is gone, which spec.finalizers tells (ValidateNamespace...)."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules, View
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.metadata import STANDARD_FINALIZERS
from kube_actors.api.validation.rules import Rules

NAME_LABEL = "kubernetes.io/metadata.name"
_CONTENT = "kubernetes"


def _label(obj: Obj) -> None:
    """Selectors of namespaces can name one by this label."""
    name = obj["metadata"].get("name")
    if name:
        obj["metadata"]["labels"] = {**(obj["metadata"].get("labels") or {}), NAME_LABEL: name}


def _prepare_create(obj: Obj) -> None:
    obj["status"] = {"phase": "Active"}
    finalizers = obj["spec"].get("finalizers") or []
    if _CONTENT not in finalizers:
        obj["spec"]["finalizers"] = [*finalizers, _CONTENT]
    _label(obj)


def _prepare_update(new: Obj, old: Obj) -> None:
    new["spec"]["finalizers"] = old["spec"].get("finalizers", [])
    _label(new)


def _prepare_finalize(new: Obj, old: Obj) -> None:
    """PUT namespaces/NAME/finalize changes spec.finalizers and nothing else."""
    finalizers = list((new.get("spec") or {}).get("finalizers") or ())
    new.clear()
    new.update(old)
    new["metadata"] = dict(old["metadata"])
    new["spec"] = {key: value for key, value in (old.get("spec") or {}).items() if key != "finalizers"}
    if finalizers:
        new["spec"]["finalizers"] = finalizers


def _create(causes: Causes, obj: Obj) -> None:
    for name in (obj.get("spec") or {}).get("finalizers") or ():
        _finalizer(causes, name, "spec.finalizers")


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    """Nothing but the metadata is checked."""


def _finalize(causes: Causes, new: Obj, old: Obj) -> None:
    for index, name in enumerate((new.get("spec") or {}).get("finalizers") or ()):
        _finalizer(causes, name, f"spec.finalizers[{index}]")


def _finalizer(causes: Causes, name: str, path: str) -> None:
    causes.each_invalid(path, name, names.qualified_name(name))
    if "/" not in name and name not in STANDARD_FINALIZERS:
        causes.invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified")


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    phase = (new.get("status") or {}).get("phase", "")
    if new["metadata"].get("deletionTimestamp"):
        if phase != "Terminating":
            causes.invalid("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")
    elif phase != "Active":
        causes.invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status, name=names.dns_label),
    rest=RestRules(answers_deleted_object=True),
    defaults=_label,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    views={"finalize": View(_prepare_finalize, _finalize)},
)
