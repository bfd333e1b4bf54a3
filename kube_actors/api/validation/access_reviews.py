"""Reviews of access. Kubernetes: pkg/apis/authorization/validation/validation.go."""

from __future__ import annotations

from collections.abc import Iterator

from kube_actors.api import Obj
from kube_actors.api.errors import Cause
from kube_actors.api.gotext import go_json, go_quote

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
SPECIFIED = "must be specified when `operator` is 'In' or 'NotIn'"
UNSPECIFIED = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


def validate_review(review: Obj, *, own: bool = False, local: bool = False) -> list[Cause]:
    """`own`: the review is about who asks; `local`: it is about its namespace."""
    spec = review.get("spec") or {}
    causes = list(_attributes(spec))
    if not own and not spec.get("user") and not spec.get("groups"):
        causes.append(_invalid("spec.user", go_quote(""), "at least one of user or group must be specified"))
    causes += _resource(spec.get("resourceAttributes") or {}, "spec.resourceAttributes")
    meta = review["metadata"]
    if meta.keys() - ({"managedFields", "namespace"} if local else {"managedFields"}):
        causes.append(_invalid("metadata", go_json(meta), "must be empty" + (" except for namespace" if local else "")))
    if local:
        causes += _local(review["metadata"], spec)
    return causes


def _attributes(spec: Obj) -> Iterator[Cause]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        text = "cannot be specified in combination with resourceAttributes"
        yield _invalid("spec.nonResourceAttributes", _path_value(path), text)
    if resource is None and path is None:
        yield _invalid("spec.resourceAttributes", "null", ONE_OF)


def _local(meta: Obj, spec: Obj) -> Iterator[Cause]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    namespace = (resource or {}).get("namespace") or ""
    if resource is not None and namespace != (meta.get("namespace") or ""):
        yield _invalid("spec.resourceAttributes.namespace", go_quote(namespace), "must match metadata.namespace")
    if path is not None:
        yield _invalid("spec.nonResourceAttributes", _path_value(path), "disallowed on this kind of request")


def _resource(attributes: Obj, path: str) -> Iterator[Cause]:
    for kind in ("fieldSelector", "labelSelector"):
        if attributes.get(kind) is not None:
            yield from _selector(attributes[kind], f"{path}.{kind}", kind)


def _selector(selector: Obj, path: str, kind: str) -> Iterator[Cause]:
    raw, requirements = selector.get("rawSelector") or "", selector.get("requirements") or []
    if raw and requirements:
        text = "may not specified at the same time as requirements"
        yield _invalid(f"{path}.rawSelector", go_quote(raw), text)
    if not raw and not requirements:
        text = f"when {path} is specified, requirements or rawSelector is required"
        yield Cause("FieldValueRequired", f"Required value: {text}", f"{path}.requirements")
    for number, one in enumerate(requirements):
        where, operator, values = f"{path}.requirements[{number}]", one.get("operator") or "", one.get("values") or []
        if not one.get("key"):
            yield Cause("FieldValueRequired", "Required value: must be specified", f"{where}.key")
        if operator in ("In", "NotIn") and not values:
            yield Cause("FieldValueRequired", f"Required value: {SPECIFIED}", f"{where}.values")
        if operator in ("Exists", "DoesNotExist") and values:
            yield Cause("FieldValueForbidden", f"Forbidden: {UNSPECIFIED}", f"{where}.values")
        if operator not in _OPERATORS:
            yield _invalid(f"{where}.operator", go_quote(operator), "not a valid selector operator")


def _path_value(path: Obj) -> str:
    return go_json({"Path": path.get("path") or "", "Verb": path.get("verb") or ""})


def _invalid(field: str, value: str, text: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {value}: {text}", field)
