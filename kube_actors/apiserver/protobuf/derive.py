"""Finds out field numbers from pairs: FOLDER/GROUP.VERSION.KIND.json and .pb hold the same object, every field set.

    python -m kube_actors.apiserver.protobuf.derive FOLDER   writes fields.json

Within a message, a field of the bytes and one of the JSON belong together if they decode to the same value. What
that leaves open (two booleans, two lists of containers) is settled by order, for both sides list fields in the order
of the Go struct, with few exceptions, which SETTLED knows. A message none of whose fields is in the JSON by its own
name is embedded in Go: its fields stand in the outer JSON object, and their numbers become paths.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kube_actors.api import encoding, schema
from kube_actors.api.schema import SchemaNode
from kube_actors.apiserver.protobuf.decode import TABLE_FILE, definition_of
from kube_actors.apiserver.protobuf.values import is_scalar, scalar
from kube_actors.apiserver.protobuf.wire import WireError, read

Numbers = list[int]
Table = dict[str, dict[str, Numbers]]

# Fields that stand in another order in JSON than their numbers have, and whose values do not tell which is which.
SETTLED: Table = {
    "io.k8s.api.core.v1.PodSpec": {
        "containers": [2],
        "initContainers": [20],
        "hostNetwork": [11],
        "hostPID": [12],
        "hostIPC": [13],
        "automountServiceAccountToken": [21],
    },
    "io.k8s.api.core.v1.PodStatus": {
        "containerStatuses": [8],
        "initContainerStatuses": [10],
        "podIPs": [12],
        "hostIPs": [16],
    },
}


class Mismatch(Exception):
    """The bytes are not this JSON."""


class Deriver:
    def __init__(self) -> None:
        self.table: Table = {}
        self.alike: set[tuple[str, tuple[str, ...]]] = set()
        self._seen: dict[tuple[str, bytes, bytes], bool] = {}

    def message(
        self, node: SchemaNode, data: bytes, obj: dict[str, Any], *, whole: bool = True
    ) -> dict[str, Numbers]:
        """The numbers of the fields of `obj`. `whole`: Mismatch where a field of the bytes is none of them."""
        known = self.table.get(node.definition, {})
        found: dict[str, Numbers] = {}
        left = dict(obj)
        for number, values in _grouped(data).items():
            inner = self._field(node, number, values, left, known)
            if not inner and whole and any(values):
                raise Mismatch
            found.update(inner)
            for name in inner:
                del left[name]
        if node.definition:
            self.table.setdefault(node.definition, {}).update(found)
            self.alike.update((node.definition, group) for group in equals(obj) if found.keys() >= set(group))
        return found

    def _field(
        self,
        node: SchemaNode,
        number: int,
        values: list[int | bytes],
        left: dict[str, Any],
        known: dict[str, Numbers],
    ) -> dict[str, Numbers]:
        """What one number is: a field of its own, or several of an embedded message."""
        settled = [name for name in left if known.get(name) == [number]]
        for name in settled or [one for one in left if one not in known]:
            if self._same(node.properties.get(name), values, left[name]):
                return {name: [number]}
        embedded = self._embedded(node, values, left)
        return {name: [number, *path] for name, path in embedded.items()}

    def _embedded(self, node: SchemaNode, values: list[int | bytes], left: dict[str, Any]) -> dict[str, Numbers]:
        if len(values) != 1 or not isinstance(values[0], bytes) or not left:
            return {}
        found: dict[str, Numbers] = {}
        rest = dict(left)
        try:
            numbers = _grouped(values[0])
        except WireError:
            return {}
        for number, inner in numbers.items():
            for name, path in self._field(node, number, inner, rest, {}).items():
                found[name] = path
                del rest[name]
        return found

    def _same(self, node: SchemaNode | None, values: list[int | bytes], wanted: Any) -> bool:
        if node is None:
            return False
        try:
            return self._equal(node, values, wanted)
        except (WireError, Mismatch, ValueError, TypeError, AttributeError, KeyError):
            return False

    def _equal(self, node: SchemaNode, values: list[int | bytes], wanted: Any) -> bool:
        if node.is_map:
            return self._same_map(node, values, wanted)
        if isinstance(wanted, list):
            if node.items is None:
                raise Mismatch
            pairs = zip(values, wanted, strict=True)
            return all(self._equal(node.items, [value], one) for value, one in pairs)
        [value] = values
        if node.type == "boolean" and value not in (0, 1):
            return False
        if is_scalar(node):
            return bool(scalar(node, value) == wanted)
        if not isinstance(value, bytes) or not isinstance(wanted, dict):
            return False
        key = (node.definition, value, encoding.dumps(wanted))
        if key not in self._seen:
            before = {name: dict(fields) for name, fields in self.table.items()}
            try:
                self._seen[key] = self.message(node, value, wanted).keys() == wanted.keys()
            except (Mismatch, WireError):
                self._seen[key] = False
            if not self._seen[key]:
                self.table = before
        return self._seen[key]

    def _same_map(self, node: SchemaNode, values: list[int | bytes], wanted: dict[str, Any]) -> bool:
        inner = node.additional
        assert inner is not None
        for value, (key, one) in zip(values, wanted.items(), strict=True):
            entry = _grouped(_as_bytes(value))
            if entry.get(1) != [key.encode()]:
                return False
            if inner.type == "array":
                [held] = entry[2]
                if not self._equal(inner, _grouped(_as_bytes(held)).get(1, []), one):
                    return False
            elif not self._equal(inner, entry.get(2, [b""]), one):
                return False
        return True


def _as_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise Mismatch
    return value


def _grouped(data: bytes) -> dict[int, list[int | bytes]]:
    numbers: dict[int, list[int | bytes]] = {}
    for field in read(data):
        numbers.setdefault(field.number, []).append(field.value)
    return numbers


def derive(folder: Path) -> tuple[Table, list[str]]:
    """The table, and notes: what could not be derived, and what somebody has to look at."""
    deriver = Deriver()
    missing: list[str] = []
    for pair in sorted(folder.glob("*.pb")):
        group, version, kind = pair.stem.rsplit(".", 2)
        name = definition_of("" if group == "core" else group, version, kind) or ""
        if not name:
            missing.append(pair.stem)
            continue
        obj = encoding.loads(pair.with_suffix(".json").read_bytes())
        raw = next(field.value for field in read(pair.read_bytes()[4:]) if field.number == 2)
        assert isinstance(raw, bytes)
        wanted = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
        found = deriver.message(schema.definition(name), raw, wanted, whole=False)
        missing += [f"{pair.stem}: {field}" for field in wanted if field not in found]
    for name, fields in SETTLED.items():
        deriver.table[name].update(fields)
    notes = [f"not derived: {one}" for one in missing]
    for definition, alike in sorted(deriver.alike):
        numbers = {field: deriver.table.get(definition, {}).get(field) for field in alike}
        notes.append(f"settled by order, look at it once: {definition} {numbers}")
    return deriver.table, notes


def equals(obj: dict[str, Any]) -> list[tuple[str, ...]]:
    """Groups of fields that have the same value: nothing but their order tells them apart."""
    groups: dict[bytes, list[str]] = {}
    for name, value in obj.items():
        groups.setdefault(encoding.dumps(value), []).append(name)
    return [tuple(names) for names in groups.values() if len(names) > 1]


def main(arguments: Iterable[str]) -> None:
    [folder] = arguments
    table, notes = derive(Path(folder))
    compact = {name: dict(sorted(fields.items())) for name, fields in sorted(table.items())}
    TABLE_FILE.write_bytes(encoding.dumps(compact) + b"\n")
    print(f"{len(table)} messages, {sum(map(len, table.values()))} fields")
    print("\n".join(notes))


if __name__ == "__main__":
    main(sys.argv[1:])
