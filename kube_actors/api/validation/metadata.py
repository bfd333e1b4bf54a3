"""What holds for the metadata of every object (apimachinery's api/validation/objectmeta.go)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes

ANNOTATIONS_MAX = 256 * 1024
STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_EXCLUSIVE_FINALIZERS = ("orphan", "foregroundDeletion")

NameCheck = Callable[[str], Iterable[str]]


def metadata(causes: Causes, meta: Obj, namespaced: bool, check_name: NameCheck, path: str = "metadata") -> None:
    """The metadata of a new object, or of the next state of one."""
    generate = meta.get("generateName")
    name = meta.get("name", "")
    if generate:
        # A generated suffix makes it end well, whatever the prefix ends with.
        causes.each_invalid(f"{path}.generateName", generate, check_name(_generated(generate)))
    if not name:
        causes.required(f"{path}.name", "name or generateName is required")
    else:
        causes.each_invalid(f"{path}.name", name, check_name(name))
    if namespaced:
        if not meta.get("namespace"):
            causes.required(f"{path}.namespace")
        else:
            causes.each_invalid(f"{path}.namespace", meta["namespace"], names.dns_label(meta["namespace"]))
    elif meta.get("namespace"):
        causes.forbidden(f"{path}.namespace", "not allowed on this type")
    if meta.get("generation", 0) < 0:
        causes.not_negative(f"{path}.generation", meta["generation"])
    if "labels" in meta:
        labels(causes, meta["labels"], f"{path}.labels")
    if "annotations" in meta:
        check_annotations(causes, meta["annotations"], f"{path}.annotations")
    if "ownerReferences" in meta:
        owner_references(causes, meta["ownerReferences"], f"{path}.ownerReferences")
    if "finalizers" in meta:
        finalizers(causes, meta["finalizers"], f"{path}.finalizers")


def _generated(prefix: str) -> str:
    return prefix[:-1] + "a" if prefix.endswith("-") else prefix


def metadata_update(causes: Causes, new: Obj, old: Obj, path: str = "metadata") -> None:
    """What of the metadata may not change."""
    if old.get("deletionTimestamp"):
        added = [one for one in new.get("finalizers") or () if one not in (old.get("finalizers") or ())]
        if added:
            found = ", ".join(f'"{one}"' for one in added)
            text = "no new finalizers can be added if the object is being deleted, found new finalizers "
            causes.forbidden(f"{path}.finalizers", f"{text}[]string{{{found}}}")
    if new.get("generation", 0) < old.get("generation", 0):
        causes.invalid(f"{path}.generation", new.get("generation", 0), "must not be decremented")
    for field in ("name", "namespace", "uid"):
        causes.immutable(f"{path}.{field}", new.get(field, ""), old.get(field, ""))
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        if new.get(field) != old.get(field):
            causes.invalid(f"{path}.{field}", new.get(field), "field is immutable")
    if "labels" in new:
        labels(causes, new["labels"], f"{path}.labels")
    if "annotations" in new:
        check_annotations(causes, new["annotations"], f"{path}.annotations")
    if "ownerReferences" in new:
        owner_references(causes, new["ownerReferences"], f"{path}.ownerReferences")


def labels(causes: Causes, values: dict[str, str], path: str) -> None:
    """Keys are qualified names, values are label values."""
    for key, value in values.items():
        causes.each_invalid(path, key, names.qualified_name(key))
        causes.each_invalid(path, value, names.label_value(value))


def check_annotations(causes: Causes, values: dict[str, str], path: str) -> None:
    """Keys are qualified names in lower case; all together have a size limit."""
    size = 0
    for key, value in values.items():
        causes.each_invalid(path, key, names.qualified_name(key.lower()))
        size += len(key) + len(value)
    if size > ANNOTATIONS_MAX:
        causes.too_long(path, ANNOTATIONS_MAX)


def owner_references(causes: Causes, owners: list[Obj], path: str) -> None:
    """Each names an object completely; one of them at most is the controller."""
    controller = ""
    for owner in owners:
        group, _, version = owner.get("apiVersion", "").rpartition("/")
        if not version or "/" in group:
            causes.invalid(f"{path}.apiVersion", owner.get("apiVersion", ""), "version must not be empty")
        for field in ("kind", "name", "uid"):
            if not owner.get(field):
                causes.invalid(f"{path}.{field}", owner.get(field, ""), "must not be empty")
        if (group, version, owner.get("kind")) in (("", "v1", "Event"), ("events.k8s.io", "v1", "Event")):
            text = f"{group}/{version}, Kind=Event is disallowed from being an owner"
            causes.invalid(path, _ordered(owner), text)
    for owner in owners:
        if owner.get("controller"):
            name = f"{owner['kind']}/{owner['name']}"
            if controller:
                text = "Only one reference can have Controller set to true. "
                both = f'Found "true" in references for {controller} and {name}'
                causes.invalid(path, [_ordered(one) for one in owners], text + both)
            controller = name


def _ordered(owner: Obj) -> Any:
    """An owner reference with its fields in Go's order, for a message."""
    order = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
    return {key: owner[key] for key in order if key in owner}


def finalizers(causes: Causes, values: list[str], path: str) -> None:
    """Qualified names; those without a domain are Kubernetes' own."""
    for value in values:
        causes.each_invalid(path, value, names.qualified_name(value))
    for index, value in enumerate(values):
        if "/" not in value and value not in STANDARD_FINALIZERS and not names.qualified_name(value):
            text = "name is neither a standard finalizer name nor is it fully qualified"
            causes.invalid(f"{path}[{index}]", value, text)
    if all(one in values for one in _EXCLUSIVE_FINALIZERS):
        text = f"finalizer {' and '.join(_EXCLUSIVE_FINALIZERS)} cannot be both set"
        causes.invalid(path, values, text)


def shown_selector(selector: Obj | None) -> Obj | None:
    """A LabelSelector object with its fields in Go's order and its labels sorted, for a message."""
    if selector is None:
        return None
    shown: Obj = {}
    if selector.get("matchLabels"):
        shown["matchLabels"] = dict(sorted(selector["matchLabels"].items()))
    if selector.get("matchExpressions"):
        order = ("key", "operator", "values")
        shown["matchExpressions"] = [
            {key: one[key] for key in order if key in one} for one in selector["matchExpressions"]
        ]
    return shown


def label_selector(causes: Causes, selector: Obj, path: str) -> None:
    """A LabelSelector object (apimachinery's metav1/validation)."""
    if "matchLabels" in selector:
        labels(causes, selector["matchLabels"], f"{path}.matchLabels")
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        where = f"{path}.matchExpressions[{index}]"
        operator, values = expression.get("operator", ""), expression.get("values") or ()
        if operator in ("In", "NotIn"):
            if not values:
                causes.required(f"{where}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                causes.forbidden(f"{where}.values", text)
        else:
            causes.invalid(f"{where}.operator", operator, "not a valid selector operator")
        causes.each_invalid(f"{where}.key", expression.get("key", ""), names.qualified_name(expression.get("key", "")))
        for place, value in enumerate(values):
            causes.each_invalid(f"{where}.values[{place}]", value, names.label_value(value))
