"""metadata.managedFields as sets of fields by manager, and back.

Kubernetes: k8s.io/apimachinery/pkg/util/managedfields/internal (managedfields.go, capmanagers.go).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kube_actors.api import Obj
from kube_actors.api.gotext import go_quote
from kube_actors.api.managed import fields
from kube_actors.api.managed.fields import Fields

APPLY, UPDATE = "Apply", "Update"
FIELDS_V1 = "FieldsV1"
# More managers by update than this are merged, the oldest first.
MAX_UPDATERS = 10
OLD_UPDATES = "ancient-changes"
_KEYS = frozenset(("manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"))


@dataclass(frozen=True, slots=True)
class Manager:
    """Who owns fields. One that applies is the same in every version: its `api_version` is empty."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""

    @property
    def applies(self) -> bool:
        return self.operation == APPLY

    def __str__(self) -> str:
        """As conflicts name it."""
        text = go_quote(self.name)
        if self.subresource:
            text += f" with subresource {go_quote(self.subresource)}"
        return text if self.applies else f"{text} using {self.api_version}"


@dataclass(frozen=True, slots=True)
class Owned:
    """The fields of a manager, in the terms of `api_version`, since `time` (RFC 3339; empty: never said)."""

    api_version: str
    fields: Fields
    time: str = ""


Managers = dict[Manager, Owned]


def decode(entries: Any) -> Managers:
    """The managers in a managedFields that the server wrote or, checked, that a client gave. Raises ValueError."""
    found: Managers = {}
    for entry in entries or ():
        operation, version = entry["operation"], entry["apiVersion"]
        manager = Manager(
            entry.get("manager", ""), operation, "" if operation == APPLY else version, entry.get("subresource", "")
        )
        found[manager] = Owned(version, entry.get("fieldsV1") or {}, entry.get("time") or "")
    return found


def checked(entries: Any) -> list[Obj]:
    """The entries that a client gave, in their one right form. Raises ValueError for what managedFields cannot be."""
    if not isinstance(entries, list):
        raise ValueError("managedFields is a list")
    found = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or not _KEYS.issuperset(entry):
            raise ValueError(f"managedFields entry {index} is no entry")
        if entry.get("operation") not in (APPLY, UPDATE):
            raise ValueError("operation must be `Apply` or `Update`")
        if not entry.get("apiVersion"):
            raise ValueError("apiVersion must not be empty")
        if entry.get("fieldsType") != FIELDS_V1:
            raise ValueError(f"invalid fieldsType in managed fields entry {index}")
        found.append({**entry, "fieldsV1": fields.normal(entry.get("fieldsV1") or {})})
    return found


def is_reset(entries: Any) -> bool:
    """Whether a client asks to forget all managers: an empty list, or one empty entry."""
    return isinstance(entries, list) and (not entries or (len(entries) == 1 and not entries[0]))


def encode(managers: Managers) -> list[Obj]:
    """managedFields in Kubernetes' order: those that apply first, then by time and name."""
    order = sorted(managers, key=lambda one: _order(one, managers[one])) if len(managers) > 1 else managers
    return [_entry(manager, managers[manager]) for manager in order]


def _order(manager: Manager, owned: Owned) -> tuple[str, ...]:
    return (manager.operation, owned.time, manager.name, owned.api_version, manager.subresource)


def _entry(manager: Manager, owned: Owned) -> Obj:
    entry: Obj = {"manager": manager.name, "operation": manager.operation, "apiVersion": owned.api_version}
    if not manager.name:
        del entry["manager"]
    if owned.time:
        entry["time"] = owned.time
    entry["fieldsType"] = FIELDS_V1
    entry["fieldsV1"] = owned.fields
    if manager.subresource:
        entry["subresource"] = manager.subresource
    return entry


def capped(managers: Managers) -> Managers:
    """The managers with at most `MAX_UPDATERS` that update; the oldest of each version become one."""
    updaters = [manager for manager in managers if not manager.applies]
    if len(updaters) <= MAX_UPDATERS:
        return managers
    left = dict(managers)
    count = len(updaters)
    first_of: dict[str, Manager] = {}
    for manager in sorted(updaters, key=lambda one: (managers[one].time, one.name, one.subresource)):
        if count <= MAX_UPDATERS:
            break
        owned = left[manager]
        version = owned.api_version
        if version not in first_of:
            first_of[version] = manager
            continue
        bucket = Manager(OLD_UPDATES, UPDATE, version)
        if bucket not in left:
            left[bucket] = left.pop(first_of[version])
        del left[manager]
        merged = fields.union(owned.fields, left[bucket].fields)
        left[bucket] = replace(left[bucket], fields=merged, time=owned.time)
        count -= 1
    return left


def differ_in_time_only(old: Sequence[Obj], new: Sequence[Obj]) -> bool:
    """Whether two managedFields say the same of the fields."""
    return len(old) == len(new) and all(_timeless(one) == _timeless(other) for one, other in zip(old, new, strict=True))


def _timeless(entry: Obj) -> Obj:
    return {key: value for key, value in entry.items() if key != "time"}
