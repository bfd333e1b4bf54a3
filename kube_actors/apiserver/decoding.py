"""From request bodies to objects: kind and version, field validation, defaults; and the options of a deletion.

Kubernetes: k8s.io/apiserver/pkg/endpoints/handlers (create.go, update.go, delete.go). Texts are its own.
"""

from __future__ import annotations

from typing import Any

from kube_actors.api import Obj, decode, defaults, encoding, errors
from kube_actors.api.decode import Decoded, DecodeError
from kube_actors.api.errors import Cause
from kube_actors.api.gotext import go_quote
from kube_actors.api.resources import Resource
from kube_actors.apiserver.request import DeleteOptions, Request

STRICT, WARN, IGNORE = "Strict", "Warn", "Ignore"
MAX_FIELD_MANAGER = 128
PROPAGATIONS = ("Foreground", "Background", "Orphan")


def body(request: Request, resource: Resource, data: bytes, validation: str) -> Obj:
    """The object of a create or update, with defaults. Raises BadRequest."""
    try:
        decoded = decode.decode(resource, data)
    except DecodeError as error:
        raise errors.BadRequest(cannot_handle(resource, str(error))) from None
    obj = decoded.obj
    check_kind(resource, obj)
    if decoded.problems and validation == STRICT:
        raise errors.BadRequest(cannot_handle(resource, decode.strict_error(decoded.problems)))
    note_problems(request, decoded, validation)
    defaults.apply_defaults(resource, obj)
    obj.setdefault("metadata", {})
    return obj


def note_problems(request: Request, decoded: Decoded, validation: str) -> None:
    """fieldValidation=Warn, which is the default: a warning for each problem."""
    if validation in ("", WARN):
        for problem in decoded.problems:
            request.warn(problem)


def check_kind(resource: Resource, obj: Obj) -> None:
    """Fill in kind and apiVersion, or refuse those of something else."""
    kind = obj.get("kind") or resource.kind
    version = obj.get("apiVersion") or resource.api_version
    if kind != resource.kind or version != resource.api_version:
        raise errors.BadRequest(unknown_conversion(resource, kind, version))
    obj["kind"], obj["apiVersion"] = kind, version


def unknown_conversion(resource: Resource, kind: str, version: str) -> str:
    short = version.rpartition("/")[2]
    group = (resource.group or "core").partition(".")[0]
    reason = f"converting ({short}.{kind}) to ({group}.{resource.kind}): unknown conversion"
    return f'{kind} in version "{short}" cannot be handled as a {resource.kind}: {reason}'


def cannot_handle(resource: Resource, reason: str) -> str:
    return f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {reason}'


def delete_options(data: bytes) -> DeleteOptions:
    """A DeleteOptions body, empty for none. Raises BadRequest or Invalid."""
    if not data:
        return DeleteOptions()
    try:
        raw = encoding.loads(data)
    except ValueError as error:
        raise errors.BadRequest(f"couldn't get version/kind; json parse error: {error}") from None
    if raw is None:
        return DeleteOptions()
    if not isinstance(raw, dict):
        raise errors.BadRequest("json: cannot unmarshal array into Go value of type v1.DeleteOptions")
    if raw.get("kind") not in (None, "", "DeleteOptions"):
        text = f"the object provided is unrecognized (must be of type DeleteOptions): got {raw['kind']}"
        raise errors.BadRequest(text)
    return delete_options_of(raw)


def delete_options_of(raw: dict[str, Any]) -> DeleteOptions:
    """The options in a parsed body or query. Raises Invalid."""
    propagation = raw.get("propagationPolicy") or ""
    orphan = raw.get("orphanDependents")
    causes = []
    if propagation and orphan is not None:
        text = f'Invalid value: "{propagation}": orphanDependents and deletionPropagation cannot be both set'
        causes.append(Cause("FieldValueInvalid", text, "propagationPolicy"))
    elif propagation and propagation not in PROPAGATIONS:
        text = f'Unsupported value: "{propagation}": supported values: "Foreground", "Background", "Orphan", "nil"'
        causes.append(Cause("FieldValueNotSupported", text, "propagationPolicy"))
    dry_run = raw.get("dryRun") or []
    causes += check_dry_run(dry_run if isinstance(dry_run, list) else [dry_run])
    if causes:
        raise errors.invalid("DeleteOptions", "meta.k8s.io", "", causes)
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    grace = raw.get("gracePeriodSeconds")
    if grace is not None and not isinstance(grace, int):
        raise errors.BadRequest(
            "json: cannot unmarshal string into Go struct field DeleteOptions.gracePeriodSeconds of type int64"
        )
    preconditions = raw.get("preconditions") or {}
    return DeleteOptions(
        grace_seconds=grace,
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        propagation=propagation,
        dry_run=bool(dry_run),
    )


def check_field_manager(name: str) -> list[Cause]:
    """Kubernetes: ValidateFieldManager of meta/v1/validation."""
    causes = []
    if len(name.encode()) > MAX_FIELD_MANAGER:
        text = f"Too long: may not be more than {MAX_FIELD_MANAGER} bytes"
        causes.append(Cause("FieldValueTooLong", text, "fieldManager"))
    for at, char in enumerate(name):
        if not char.isprintable():
            text = f"invalid character U+{ord(char):04X} (at position {len(name[:at].encode())})"
            causes.append(Cause("FieldValueInvalid", f"Invalid value: {go_quote(name)}: {text}", "fieldManager"))
    return causes


def check_dry_run(values: list[Any]) -> list[Cause]:
    if all(value == "All" for value in values):
        return []
    shown = "[" + ",".join(f'"{value}"' for value in values) + "]"
    return [Cause("FieldValueNotSupported", f'Unsupported value: {shown}: supported values: "All"', "dryRun")]
