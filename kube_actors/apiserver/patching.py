"""Patches as changes of an object: JSON patch, merge patch, strategic merge patch, server-side apply.

Kubernetes: k8s.io/apiserver/pkg/endpoints/handlers/patch.go. A patch is parsed once and done anew on each state
that the registry offers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kube_actors.api import Obj, decode, defaults, encoding, errors, gotext, schema
from kube_actors.api.decode import DecodeError
from kube_actors.api.errors import Cause
from kube_actors.api.patch import PatchError, json_patch, merge_patch, strategic_merge
from kube_actors.api.resources import Resource
from kube_actors.apiserver import decoding, ownership, yamls
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
    apply, shown = _parse(resource, kind, data)

    def change(obj: Obj) -> Obj:
        before = obj
        try:
            patched = apply(obj)
        except PatchError as error:
            raise _refused(kind, error) from None
        return _decoded(request, resource, before, patched, shown, options)

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


@dataclass(frozen=True, slots=True)
class Configuration:
    """What shall be applied; `faults` is what a strict reader of YAML has against it."""

    obj: Obj
    faults: tuple[str, ...] = ()

    def check(self, request: Request, validation: str) -> None:
        """Refuse the faults, or warn of them, as fieldValidation says. Raises BadRequest."""
        if not self.faults or validation == decoding.IGNORE:
            return
        lines = "\n".join(f"  {line}" for line in self.faults)
        text = f"error converting YAML to JSON: yaml: unmarshal errors:\n{lines}"
        if validation == decoding.STRICT:
            raise errors.BadRequest(f"error strict decoding YAML: {text}")
        request.warn(" ".join(text.split()))


def configuration(resource: Resource, data: bytes) -> Configuration:
    """The configuration in the body of an apply. Raises BadRequest."""
    try:
        config, duplicates = yamls.parse(data)
    except yamls.YamlError as error:
        raise errors.BadRequest(f"error decoding YAML: error converting YAML to JSON: {error}") from None
    if config is None:
        config = {}
    if not isinstance(config, dict):
        text = f"json: cannot unmarshal {_json_type(config)} into Go value of type map[string]interface {{}}"
        raise errors.BadRequest(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {text}")
    kind, version = config.get("kind") or "", config.get("apiVersion") or ""
    if kind != resource.kind or version != resource.api_version:
        group, _, short = str(version).rpartition("/")
        raise errors.BadRequest(f"invalid object type: {group}/{short}, Kind={kind}")
    return Configuration(config, tuple(duplicates))


def apply_of(
    request: Request, resource: Resource, config: Configuration, options: WriteOptions, now: float
) -> Callable[[Obj | None], Obj]:
    """What applying `config` does to an object, or, given None, creates. Raises as `managed.apply` does."""
    apply = ownership.applier(request, options, config.obj, now)
    name = request.target.name

    def change(current: Obj | None) -> Obj:
        applied = apply(current)
        config.check(request, options.field_validation)
        try:
            obj = decode.convert(resource, applied).obj
        except DecodeError as error:
            raise errors.ApiError(str(error)) from None
        defaults.apply_defaults(resource, obj)
        obj.setdefault("metadata", {})
        if current is not None:
            _check_names(obj, current)
            return obj
        _check_new(obj, resource, name)
        return obj

    return change


def _check_new(obj: Obj, resource: Resource, wanted: str) -> None:
    """An object that an apply creates has the name of the path and no uid of its own."""
    metadata = obj["metadata"]
    name, uid = metadata.get("name"), metadata.get("uid")
    if not name:
        text = f"the name of the object ({wanted} based on URL) was undeterminable: name must be provided"
        raise errors.BadRequest(text)
    if name != wanted:
        raise errors.BadRequest(f"the name of the object ({name}) does not match the name on the URL ({wanted})")
    if uid:
        text = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise errors.conflict(resource.plural, resource.group, name, text)
    metadata.pop("resourceVersion", None)


def unsupported(resource: Resource) -> errors.UnsupportedMediaType:
    kinds = (JSON_PATCH, MERGE_PATCH, *(() if resource.custom else (STRATEGIC_PATCH,)), APPLY_PATCH)
    accepted = ", ".join(kinds)
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
