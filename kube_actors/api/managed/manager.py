"""The ownership of one request's fields, from object to object.

    track   an ordinary write: `new` gets the managedFields that it has to have
    apply   server-side apply: the object that a configuration makes of the live one

Kubernetes: k8s.io/apimachinery/pkg/util/managedfields (fieldmanager.go, skipnonapplied.go, lastappliedmanager.go).
"""

from __future__ import annotations

from typing import Any

import orjson

from kube_actors.api import Obj, errors
from kube_actors.api.errors import Cause
from kube_actors.api.managed import entries, fields, typed
from kube_actors.api.managed.compare import compare
from kube_actors.api.managed.entries import Managers
from kube_actors.api.managed.fields import Fields
from kube_actors.api.managed.ownership import Conflicts, Types, Writer, applied, reconciled, updated

KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BEFORE_FIRST_APPLY = "before-first-apply"


def track(types: Types, live: Obj | None, new: Obj, writer: Writer) -> None:
    """Set metadata.managedFields of `new`, which is written over `live`, or over nothing.

    What a client gives there itself is taken where it is valid, and an empty list makes the object untracked.
    """
    live = types.empty(writer.api_version) if live is None else live
    before = live["metadata"].get("managedFields")
    given = new["metadata"].pop("managedFields", None)
    managers = _base(before, given, trusted=bool(writer.subresource))
    if not managers and live["metadata"].get("uid"):
        return
    if types.change:
        managers = reconciled(types, managers)
    after = entries.capped(updated(types, _bare(live), new, managers, writer))
    if after:
        same = after is managers and (given is None or given == before)
        new["metadata"]["managedFields"] = before if same else entries.encode(after)


def _base(before: Any, given: Any, *, trusted: bool) -> Managers:
    """The managers to start from: those that the client gives, else those of the live object."""
    if given is not None and given != before and not trusted:
        if entries.is_reset(given):
            return {}
        try:
            return entries.decode(entries.checked(given))
        except ValueError:
            pass
    return entries.decode(before)


def apply(types: Types, live: Obj | None, config: Obj, writer: Writer, *, force: bool) -> Obj:
    """A new object: `config` applied to `live`, or to nothing.

    Raises BadRequest, Conflict, and a plain ApiError (500, as in Kubernetes) where `config` does not fit its schema.
    """
    metadata = config.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    if metadata.get("managedFields") is not None:
        raise errors.BadRequest("metadata.managedFields must be nil")
    shape = types.shape(writer.api_version)
    assert shape is not None
    try:
        typed.check(shape, config)
    except typed.TypedError as error:
        raise errors.ApiError(f"failed to create typed patch object ({_named(config, metadata)}): {error}") from None
    live = types.empty(writer.api_version) if live is None else live
    managers = entries.decode(live["metadata"].get("managedFields"))
    if types.change:
        managers = reconciled(types, managers)
    bare = _bare(live)
    if not managers and live["metadata"].get("uid"):
        before = Writer(BEFORE_FIRST_APPLY, writer.api_version, writer.time)
        managers = updated(types, types.empty(writer.api_version), bare, managers, before)
    obj, after = _applied(types, bare, config, managers, writer, force=force)
    metadata = obj["metadata"] = dict(obj.get("metadata") or {})
    if writer.name == KUBECTL and LAST_APPLIED in (live["metadata"].get("annotations") or {}):
        metadata["annotations"] = {**(metadata.get("annotations") or {}), LAST_APPLIED: _last_applied(config)}
    after = entries.capped(after)
    if after:
        metadata["managedFields"] = entries.encode(after)
    return obj


def _applied(
    types: Types, live: Obj, config: Obj, managers: Managers, writer: Writer, *, force: bool
) -> tuple[Obj, Managers]:
    try:
        return applied(types, live, config, managers, writer, force=force)
    except typed.TypedError as error:
        raise errors.ApiError(f"failed to merge config: {error}") from None
    except Conflicts as conflicts:
        found = conflicts.found
        if writer.name == KUBECTL:
            # What kubectl applied before from the client's side is its own: it may go on from the server's.
            allowed = _last_applied_fields(types, live, writer)
            found = {one: fields.difference(owned, allowed) for one, owned in found.items()}
            found = {one: owned for one, owned in found.items() if owned}
        if found:
            raise conflict(found) from None
    return applied(types, live, config, managers, writer, force=True)


def _last_applied_fields(types: Types, live: Obj, writer: Writer) -> Fields:
    """What the annotation of client-side apply set and the live object still has as it was set."""
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    shape = types.shape(writer.api_version)
    try:
        last = orjson.loads(text or b"")
        if shape is None or not isinstance(last, dict):
            return {}
        if last.get("apiVersion") != writer.api_version:
            last = types.convert(last, writer.api_version)
        typed.check(shape, last)
    except ValueError:
        return {}
    found = compare(shape, last, live)
    owned = typed.fields_of(shape, last)
    for part in (found.modified, found.added, found.removed):
        owned = fields.difference(owned, part)
    return owned


def _last_applied(config: Obj) -> str:
    metadata = dict(config.get("metadata") or {})
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != LAST_APPLIED}
    if "annotations" in metadata:
        metadata["annotations"] = annotations
    return orjson.dumps({**config, "metadata": metadata}, option=orjson.OPT_SORT_KEYS).decode() + "\n"


def conflict(found: dict[entries.Manager, Fields]) -> errors.Conflict:
    """Kubernetes: managedfields/internal/conflict.go."""
    told = [(str(manager), list(fields.paths(owned))) for manager, owned in found.items()]
    causes = [
        Cause("FieldManagerConflict", f"conflict with {manager}", path) for manager, paths in told for path in paths
    ]
    if len(causes) == 1:
        text = f"Apply failed with 1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        parts = [f"conflicts with {manager}:\n" + "\n".join(f"- {path}" for path in paths) for manager, paths in told]
        text = f"Apply failed with {len(causes)} conflicts: " + "\n".join(parts)
    return errors.Conflict(text, causes=causes)


def settle(old: Obj, new: Obj) -> None:
    """A write that changes nothing but the times of managers is none: give `new` the managedFields of `old`."""
    before, after = old["metadata"].get("managedFields"), new["metadata"].get("managedFields")
    if before is None or after is None or before is after:
        return
    if any(new.get(key) != value for key, value in old.items() if key != "metadata"):
        return
    if entries.differ_in_time_only(before, after) and _bare(old) == _bare(new):
        new["metadata"]["managedFields"] = before


def _bare(obj: Obj) -> Obj:
    """The object without managedFields; the rest is shared."""
    metadata = obj["metadata"]
    if "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {key: value for key, value in metadata.items() if key != "managedFields"}}


def _named(config: Obj, metadata: Obj) -> str:
    group, _, version = config.get("apiVersion", "").rpartition("/")
    where = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}"
    return f"{where}; {group}/{version}, Kind={config.get('kind', '')}"
