"""What a write does to the managers of an object.

Kubernetes: structured-merge-diff's merge (update.go, conflict.go).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from kube_actors.api import Obj
from kube_actors.api.managed import fields, typed
from kube_actors.api.managed.compare import Comparison, compare
from kube_actors.api.managed.entries import APPLY, UPDATE, Manager, Managers, Owned
from kube_actors.api.managed.fields import Fields
from kube_actors.api.managed.shapes import Shape


class Types(Protocol):
    """The versions of a kind."""

    def shape(self, api_version: str) -> Shape | None:
        """None for a version that is not served any more."""
        ...

    @property
    def change(self) -> bool:
        """Whether schemas may change while objects live, as those of custom resources."""
        ...

    def empty(self, api_version: str) -> Obj:
        """What a creation is compared with: the object that Go's zero value is. Read-only by contract."""
        ...

    def convert(self, obj: Obj, api_version: str) -> Obj:
        """The object in another version; a new one, or itself where nothing is to convert."""
        ...


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, through which version and subresource, when. `ignored`: fields that this path cannot change."""

    name: str
    api_version: str
    time: str
    subresource: str = ""
    ignored: Fields = field(default_factory=dict)

    def by(self, operation: str) -> Manager:
        return Manager(self.name, operation, "" if operation == APPLY else self.api_version, self.subresource)


def reconciled(types: Types, managers: Managers) -> Managers:
    """The managers in the terms of schemas that may have changed since they were written."""
    found: Managers = {}
    for manager, owned in managers.items():
        shape = types.shape(owned.api_version)
        found[manager] = owned if shape is None else replace(owned, fields=typed.made_atomic(shape, owned.fields))
    return found


class Conflicts(Exception):
    """Fields of others that an applied configuration changes; `found` in the order in which they are told."""

    def __init__(self, found: dict[Manager, Fields]) -> None:
        super().__init__(found)
        self.found = found


# Of every object, what no manager owns.
_UNOWNED: Fields = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {},
        **{
            f"f:{name}": {}
            for name in (
                "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation",
                "managedFields", "resourceVersion",
            )
        },
    },
}  # fmt: skip


def updated(types: Types, live: Obj, new: Obj, managers: Managers, writer: Writer) -> Managers:
    """The managers after `new` has been written over `live`: who wrote owns what changed, nobody what is gone."""
    shape = types.shape(writer.api_version)
    assert shape is not None
    comparison = compare(shape, live, new).without(writer.ignored)
    if comparison.is_same:
        return managers
    left = _taken(types, live, new, managers, writer, None, comparison, force=True)
    won = fields.difference(fields.union(comparison.modified, comparison.added), _UNOWNED)
    if won:
        me = writer.by(UPDATE)
        mine = left.get(me)
        left[me] = Owned(writer.api_version, won if mine is None else fields.union(mine.fields, won), writer.time)
    return left


def applied(
    types: Types, live: Obj, config: Obj, managers: Managers, writer: Writer, *, force: bool
) -> tuple[Obj, Managers]:
    """The object after `config` was applied to `live`, and its managers. Raises Conflicts, TypedError."""
    shape = types.shape(writer.api_version)
    assert shape is not None
    me = writer.by(APPLY)
    last = managers.get(me)
    wanted = fields.without(typed.fields_of(shape, config), writer.ignored)
    mine = Owned(writer.api_version, wanted, writer.time)
    merged: Obj = typed.merge(shape, live, config)
    after = {**managers, me: mine}
    if last is not None and last.fields:
        merged = _pruned(types, merged, after, last, writer.api_version)
    comparison = compare(shape, live, merged).without(writer.ignored)
    left = _taken(types, live, merged, after, writer, me, comparison, force=force)
    owned = fields.difference(wanted, _UNOWNED)
    if owned:
        left[me] = replace(mine, fields=owned)
    else:
        left.pop(me, None)
    return merged, left


def _taken(
    types: Types,
    live: Obj,
    new: Obj,
    managers: Managers,
    writer: Writer,
    me: Manager | None,
    comparison: Comparison,
    *,
    force: bool,
) -> Managers:
    """The managers but `me` without what the write takes from them. Raises Conflicts unless `force`."""
    by_version = {writer.api_version: comparison}
    left: Managers = {}
    conflicts: dict[Manager, Fields] = {}
    for manager, owned in managers.items():
        if manager == me:
            left[manager] = owned
            continue
        seen = by_version.get(owned.api_version)
        if seen is None:
            shape = types.shape(owned.api_version)
            if shape is None:
                continue
            old, wanted = (types.convert(obj, owned.api_version) for obj in (live, new))
            seen = by_version[owned.api_version] = compare(shape, old, wanted).without(writer.ignored)
        changed = fields.union(seen.modified, seen.added)
        taken = fields.intersection(owned.fields, changed)
        if taken:
            conflicts[manager] = taken
        kept = fields.difference(fields.difference(owned.fields, taken), seen.removed)
        if kept:
            left[manager] = owned if kept == owned.fields else replace(owned, fields=kept)
    if conflicts and not force:
        order = sorted(conflicts, key=lambda one: (one.name, one.operation, one.api_version, one.subresource))
        raise Conflicts({manager: conflicts[manager] for manager in order})
    return left


def _pruned(types: Types, merged: Obj, managers: Managers, last: Owned, version: str) -> Obj:
    """`merged` without what the manager applied last time, no longer does, and nobody else owns."""
    shape = types.shape(last.api_version)
    if shape is None:
        return merged
    whole = types.convert(merged, last.api_version)
    before = typed.with_named(shape, last.fields)
    kept: Obj = typed.remove(shape, whole, before) or {}
    by_version: dict[str, Fields] = {}
    for owned in managers.values():
        by_version[owned.api_version] = fields.union(by_version.get(owned.api_version, {}), owned.fields)
    # The version of the last time first: converting may need what it owns.
    for one in sorted(by_version, key=lambda one: (one != last.api_version, one)):
        whole, kept = _with_owned(types, whole, kept, one, by_version[one])
    kept = types.convert(kept, last.api_version)
    whole = types.convert(merged, last.api_version)
    there = typed.with_named(shape, typed.fields_of(shape, kept))
    all_of_it = typed.with_named(shape, typed.fields_of(shape, whole))
    gone = fields.intersection(fields.difference(all_of_it, there), before)
    left: Obj = typed.remove(shape, whole, gone) or {}
    return types.convert(left, version)


def _with_owned(types: Types, whole: Obj, kept: Obj, version: str, owned: Fields) -> tuple[Obj, Obj]:
    """`kept` with what it lacks of `whole` and somebody owns in that version; both in that version."""
    shape = types.shape(version)
    if shape is None:
        return whole, kept
    whole, kept = types.convert(whole, version), types.convert(kept, version)
    all_of_it, there, held = (
        typed.with_named(shape, one) for one in (typed.fields_of(shape, whole), typed.fields_of(shape, kept), owned)
    )
    gone = fields.difference(all_of_it, fields.union(there, held))
    left: Obj = typed.remove(shape, whole, gone) or {}
    return whole, left
