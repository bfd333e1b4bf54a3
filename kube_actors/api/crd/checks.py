"""Whether a custom object may be written, in the order in which Kubernetes checks: values, embedded objects, list
types, and rules only where the rest is right.

Kubernetes: k8s.io/apiextensions-apiserver/pkg/registry/customresource/validator.go.
"""

from __future__ import annotations

from typing import Any

from kube_actors.api import Obj
from kube_actors.api.crd import rules, values
from kube_actors.api.crd.findings import Findings
from kube_actors.api.crd.structural import MISSING, Structural
from kube_actors.api.crd.values import join, map_key
from kube_actors.api.validation import metadata, names

# What makes rules useless to run: k8s.io/apiextensions-apiserver's celconfig "blocking" errors.
_BLOCKING = (
    "FieldValueTypeInvalid",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueNotSupported",
)


def check_create(node: Structural, obj: Obj) -> Findings:
    """What is wrong with a new object, its metadata apart."""
    return _check(node, obj, MISSING)


def check_update(node: Structural, new: Obj, old: Obj) -> Findings:
    """What is wrong with `new` as the next state of `old`; what has not changed is right."""
    return _check(node, new, old)


def _check(node: Structural, obj: Obj, old: Any) -> Findings:
    found = values.check(node.raw, obj, "", old, root=True)
    _check_embedded(found, node, obj, old, "")
    _check_list_types(found, node, obj, old, "")
    if node.has_rules and not any(cause.reason in _BLOCKING for cause in found):
        rules.check(found, node, obj, old)
    return found


def _check_embedded(found: Findings, node: Structural, value: Any, old: Any, path: str) -> None:
    if value == old:
        return
    if isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            _check_embedded(found, node.items, item, MISSING, f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    if node.embedded:
        _check_resource(found, value, path)
    previous = old if isinstance(old, dict) else {}
    for name, item in value.items():
        below = node.properties.get(name) or node.additional
        if below is not None:
            _check_embedded(found, below, item, previous.get(name, MISSING), join(path, name))


def _check_resource(found: Findings, value: Obj, path: str) -> None:
    version, kind = value.get("apiVersion"), value.get("kind")
    if not version:
        found.required(f"{path}.apiVersion")
    elif str(version).count("/") > 1:
        found.invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    if not kind:
        found.required(f"{path}.kind")
    else:
        found.each_invalid(f"{path}.kind", kind, names.dns_label_1035(str(kind).lower()))
    if isinstance(value.get("metadata"), dict) and value["metadata"].get("name"):
        meta = value["metadata"]
        metadata.metadata(found, meta, bool(meta.get("namespace")), names.path_segment, f"{path}.metadata")


def _check_list_types(found: Findings, node: Structural, value: Any, old: Any, path: str) -> None:
    """Sets hold nothing twice, maps no key twice."""
    if value == old:
        return
    if isinstance(value, list) and node.items is not None:
        if node.list_type == "set":
            _refuse_twice(found, [repr(item) for item in value], value, path)
        elif node.list_type == "map":
            keys = [map_key(item, node.list_map_keys) if isinstance(item, dict) else () for item in value]
            shown = [
                {key: item.get(key) for key in node.list_map_keys if key in item}
                for item in value
                if isinstance(item, dict)
            ]
            if len(shown) == len(value):
                _refuse_twice(found, keys, shown, path)
        for index, item in enumerate(value):
            _check_list_types(found, node.items, item, MISSING, f"{path}[{index}]")
    elif isinstance(value, dict):
        previous = old if isinstance(old, dict) else {}
        for name, item in value.items():
            below = node.properties.get(name) or node.additional
            if below is not None:
                _check_list_types(found, below, item, previous.get(name, MISSING), join(path, name))


def _refuse_twice(found: Findings, keys: list[Any], shown: list[Any], path: str) -> None:
    seen: set[Any] = set()
    for index, key in enumerate(keys):
        if key in seen:
            found.duplicate(f"{path}[{index}]", shown[index])
        seen.add(key)
