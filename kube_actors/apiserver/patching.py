"""Patches as changes of an object: JSON patch, merge patch, strategic merge patch.

Kubernetes: k8s.io/apiserver/pkg/endpoints/handlers/patch.go. A patch is parsed once and done anew on each state
that the registry offers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from kube_actors.api import Obj, decode, defaults, encoding, errors, gotext, schema
from kube_actors.api.decode import DecodeError
from kube_actors.api.errors import Cause
from kube_actors.api.patch import PatchError, json_patch, merge_patch, shown, strategic_merge
from kube_actors.api.resources import Resource
from kube_actors.apiserver import decoding
from kube_actors.apiserver.request import Request, WriteOptions

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
SUPPORTED = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)
MAX_OPERATIONS = 10_000

Change = Callable[[Obj], Obj]


def change_of(request: Request, resource: Resource, kind: str, data: bytes, options: WriteOptions) -> Change:
    """The change that a patch is, for objects as they are served. Raises what is wrong with the patch itself."""
    if kind not in SUPPORTED or (kind == STRATEGIC_PATCH and resource.custom):
        raise unsupported(resource)
    patch = _parse(resource, kind, data)

    def change(obj: Obj) -> Obj:
        try:
            patched = patch.apply(obj)
        except PatchError as error:
            raise _refused(kind, error) from None
        return _decoded(request, resource, obj, patched, patch, options)

    return change


def check_options(kind: str, options: WriteOptions) -> None:
    """Kubernetes: ValidatePatchOptions of meta/v1/validation. Raises Invalid."""
    if kind == APPLY_PATCH and not options.field_manager:
        cause = Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")
    elif kind != APPLY_PATCH and options.force is not None:
        cause = Cause("FieldValueForbidden", "Forbidden: may not be specified for non-apply patch", "force")
    else:
        return
    raise errors.invalid("PatchOptions", "meta.k8s.io", "", [cause])


def unsupported(resource: Resource) -> errors.UnsupportedMediaType:
    kinds = (JSON_PATCH, MERGE_PATCH, *(() if resource.custom else (STRATEGIC_PATCH,)), APPLY_PATCH)
    accepted = ", ".join(kinds)
    return errors.UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    )


@dataclass(frozen=True, slots=True)
class Patch:
    """How to apply a patch, how an error shows what came of it, and the fields that the patch itself gives twice.

    `restores`: the result is no text that is decoded but an object that is converted, which has words of its own.
    """

    apply: Callable[[Obj], Any]
    show: Callable[[Any], str]
    faults: tuple[str, ...] = ()
    restores: bool = False


def _parse(resource: Resource, kind: str, data: bytes) -> Patch:
    patch = _load(kind, data)
    faults = decode.duplicates(data, patch)
    if kind == JSON_PATCH:
        if not isinstance(patch, list):
            what = json_type(patch)
            raise errors.BadRequest(
                f"error decoding patch: json: cannot unmarshal {what} into Go value of type []handlers.jsonPatchOp"
            )
        if len(patch) > MAX_OPERATIONS:
            text = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(patch)}"
            raise errors.TooLarge(text)
        touched = shown.touched_by_operations(patch)
        faults = [f"json patch {fault}" for fault in faults]
        return Patch(lambda obj: json_patch(obj, patch), partial(_show, resource, touched), tuple(faults))
    if kind == MERGE_PATCH:
        touched = shown.touched_by_merge(patch)
        return Patch(lambda obj: merge_patch(obj, patch), partial(_show, resource, touched), tuple(faults))
    if not isinstance(patch, dict):
        what = json_type(patch)
        raise errors.BadRequest(f"json: cannot unmarshal {what} into Go value of type map[string]interface {{}}")
    node = schema.of(resource)
    return Patch(lambda obj: strategic_merge(node, obj, patch), lambda _: gotext.go_value(patch), tuple(faults), True)


def _show(resource: Resource, touched: shown.Touched, patched: Any) -> str:
    return shown.shown(resource, patched, touched)


def _load(kind: str, data: bytes) -> Any:
    try:
        return decode.parse(data)
    except DecodeError as error:
        prefix = "error decoding patch: " if kind == JSON_PATCH else ""
        raise errors.BadRequest(f"{prefix}{error}") from None


def _refused(kind: str, error: PatchError) -> errors.ApiError:
    if error.internal:
        return errors.ApiError(error.message)
    if kind == JSON_PATCH:
        # apimachinery's generic text: the reason of a JSON patch's failure is not told.
        text = "the server rejected our request due to an error in our request"
        return errors.Invalid(text, status=_bare_status(text))
    return errors.BadRequest(error.message)


def _bare_status(text: str) -> Obj:
    status = errors.Invalid(text).status()
    return {**status, "details": {}}


def _decoded(
    request: Request, resource: Resource, before: Obj, patched: Any, patch: Patch, options: WriteOptions
) -> Obj:
    """The object that the patched JSON is; Kubernetes refuses what it cannot decode with the JSON itself."""

    def bad(text: str) -> errors.Invalid:
        quoted = encoding.dumps(patch.show(patched)).decode()
        return errors.invalid("", "", "", [Cause("FieldValueInvalid", f"Invalid value: {quoted}: {text}", "patch")])

    try:
        decoded = decode.convert(resource, patched)
    except DecodeError as error:
        raise bad(error.restoring if patch.restores else str(error)) from None
    decoded = replace(decoded, problems=(*patch.faults, *decoded.problems))
    obj = decoded.obj
    kind, version = obj.setdefault("kind", resource.kind), obj.setdefault("apiVersion", resource.api_version)
    if kind != resource.kind or version != resource.api_version:
        raise bad(_conversion(resource, kind, version))
    if decoded.problems and options.field_validation == decoding.STRICT:
        raise bad(decode.strict_error(decoded.problems))
    decoding.note_problems(request, decoded, options.field_validation)
    defaults.apply_defaults(resource, obj)
    check_names(obj, before)
    return obj


def _conversion(resource: Resource, kind: str, version: str) -> str:
    if version != resource.api_version:
        return f'no kind "{kind}" is registered for version "{version}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
    return decoding.unknown_conversion(resource, kind, version).partition(": ")[2]


def check_names(obj: Obj, before: Obj) -> None:
    name, wanted = obj.setdefault("metadata", {}).get("name"), before["metadata"]["name"]
    if name != wanted:
        raise errors.BadRequest(f"the name of the object ({name or ''}) does not match the name on the URL ({wanted})")


def json_type(value: Any) -> str:
    """encoding/json's name for what it found."""
    if isinstance(value, bool):
        return "bool"
    names = {dict: "object", list: "array", str: "string", int: "number", float: "number"}
    return names.get(type(value), "null")
