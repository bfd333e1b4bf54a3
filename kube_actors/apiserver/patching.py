"""Patches as changes of an object: JSON patch, merge patch, strategic merge patch; server-side apply later.

Kubernetes: k8s.io/apiserver/pkg/endpoints/handlers/patch.go. A patch is parsed once and done anew on each state
that the registry offers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_actors.api import Obj, decode, defaults, encoding, errors, gotext, schema
from kube_actors.api.decode import DecodeError
from kube_actors.api.errors import Cause
from kube_actors.api.patch import PatchError, json_patch, merge_patch, strategic_merge
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
        raise unsupported(kind)
    apply, shown = _parse(resource, kind, data)

    def change(obj: Obj) -> Obj:
        before = obj
        try:
            patched = apply(obj)
        except PatchError as error:
            raise _refused(kind, error) from None
        return _decoded(request, resource, before, patched, shown, options)

    return change


def unsupported(kind: str) -> errors.UnsupportedMediaType:
    if kind == APPLY_PATCH:
        text = "server-side apply is not served yet; use client-side apply, a merge patch or a strategic merge patch"
        return errors.UnsupportedMediaType(text)
    accepted = ", ".join((*SUPPORTED, APPLY_PATCH))
    return errors.UnsupportedMediaType(
        f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    )


def _parse(resource: Resource, kind: str, data: bytes) -> tuple[Callable[[Obj], Any], str]:
    """How to apply the patch, and how Kubernetes shows the patch itself in an error; empty: it shows the result."""
    patch = _load(kind, data)
    if kind == JSON_PATCH:
        if not isinstance(patch, list):
            what = _json_type(patch)
            raise errors.BadRequest(
                f"error decoding patch: json: cannot unmarshal {what} into Go value of type []handlers.jsonPatchOp"
            )
        if len(patch) > MAX_OPERATIONS:
            text = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(patch)}"
            raise errors.TooLarge(text)
        return lambda obj: json_patch(obj, patch), ""
    if kind == MERGE_PATCH:
        return lambda obj: merge_patch(obj, patch), ""
    if not isinstance(patch, dict):
        what = _json_type(patch)
        raise errors.BadRequest(f"json: cannot unmarshal {what} into Go value of type map[string]interface {{}}")
    node = schema.of(resource)
    return lambda obj: strategic_merge(node, obj, patch), gotext.go_value(patch)


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


def _decoded(request: Request, resource: Resource, before: Obj, patched: Any, shown: str, options: WriteOptions) -> Obj:
    """The object that the patched JSON is; Kubernetes refuses what it cannot decode with the JSON itself."""

    def bad(text: str) -> errors.Invalid:
        value = shown or encoding.dumps(patched).decode()
        quoted = encoding.dumps(value).decode()
        return errors.invalid("", "", "", [Cause("FieldValueInvalid", f"Invalid value: {quoted}: {text}", "patch")])

    try:
        decoded = decode.convert(resource, patched)
    except DecodeError as error:
        raise bad(str(error)) from None
    obj = decoded.obj
    kind, version = obj.setdefault("kind", resource.kind), obj.setdefault("apiVersion", resource.api_version)
    if kind != resource.kind or version != resource.api_version:
        raise bad(_conversion(resource, kind, version))
    if decoded.problems and options.field_validation == decoding.STRICT:
        raise bad(decode.strict_error(decoded.problems))
    decoding.note_problems(request, decoded, options.field_validation)
    defaults.apply_defaults(resource, obj)
    _check_names(obj, before)
    return obj


def _conversion(resource: Resource, kind: str, version: str) -> str:
    if version != resource.api_version:
        return f'no kind "{kind}" is registered for version "{version}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
    return decoding.unknown_conversion(resource, kind, version).partition(": ")[2]


def _check_names(obj: Obj, before: Obj) -> None:
    name, wanted = obj.setdefault("metadata", {}).get("name"), before["metadata"]["name"]
    if name != wanted:
        raise errors.BadRequest(f"the name of the object ({name or ''}) does not match the name on the URL ({wanted})")


def _json_type(value: Any) -> str:
    """encoding/json's name for what it found."""
    if isinstance(value, bool):
        return "bool"
    names = {dict: "object", list: "array", str: "string", int: "number", float: "number"}
    return names.get(type(value), "null")
