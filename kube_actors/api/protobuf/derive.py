"""Finds out field numbers from pairs: FOLDER/GROUP.VERSION.KIND.json and .pb hold one object with every field set.

    python -m kube_actors.api.protobuf.derive FOLDER     writes fields.json

A field of the bytes and one of the JSON belong together when they hold the same value; the schema says of what type
it is. What has no partner in the JSON by itself is a struct embedded in Go, whose fields stand in the outer JSON
object: their numbers become paths. Two fields with equal values (booleans, structs of one type) are told apart by
order, which is that of the Go struct on the JSON side and most often also that of the numbers; `TIES` has the
exceptions, and `EXTRA` what the pairs do not hold.
"""

from __future__ import annotations

import base64
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kube_actors.api import Obj, encoding, schema
from kube_actors.api.protobuf.table import FILE
from kube_actors.api.protobuf.values import int_or_string, time_text
from kube_actors.api.protobuf.wire import WireError, grouped, signed
from kube_actors.api.schema import SchemaNode

Values = list[int | bytes]
Path_ = tuple[int, ...]
# JSON name -> (number or path to it, kind)
Fields = dict[str, tuple[Path_, str]]

# Message -> field -> number, where values are equal and the order of the struct is not that of the numbers.
TIES: dict[str, dict[str, int]] = {
    "core.v1.PodSpec": {
        "containers": 2,
        "initContainers": 20,
        "automountServiceAccountToken": 21,
        "hostNetwork": 11,
        "hostPID": 12,
        "hostIPC": 13,
    },
    "core.v1.PodStatus": {"containerStatuses": 8, "initContainerStatuses": 10, "podIPs": 12, "hostIPs": 16},
}
# Structs that are embedded in Go: a message of their own, whose fields stand in the outer JSON object.
EMBEDDED: dict[str, tuple[int, str]] = {
    "admissionregistration.v1.NamedRuleWithOperations": (2, "admissionregistration.v1.RuleWithOperations"),
    "admissionregistration.v1.RuleWithOperations": (2, "admissionregistration.v1.Rule"),
    "core.v1.ConfigMapEnvSource": (1, "core.v1.LocalObjectReference"),
    "core.v1.ConfigMapKeySelector": (1, "core.v1.LocalObjectReference"),
    "core.v1.ConfigMapProjection": (1, "core.v1.LocalObjectReference"),
    "core.v1.ConfigMapVolumeSource": (1, "core.v1.LocalObjectReference"),
    "core.v1.EphemeralContainer": (1, "core.v1.EphemeralContainerCommon"),
    "core.v1.PersistentVolumeSpec": (2, "core.v1.PersistentVolumeSource"),
    "core.v1.Probe": (1, "core.v1.ProbeHandler"),
    "core.v1.SecretEnvSource": (1, "core.v1.LocalObjectReference"),
    "core.v1.SecretKeySelector": (1, "core.v1.LocalObjectReference"),
    "core.v1.SecretProjection": (1, "core.v1.LocalObjectReference"),
    "core.v1.Volume": (2, "core.v1.VolumeSource"),
    "networking.v1.IngressRule": (2, "networking.v1.IngressRuleValue"),
    "resource.v1.DeviceAllocationConfiguration": (3, "resource.v1.DeviceConfiguration"),
    "resource.v1.DeviceClaimConfiguration": (2, "resource.v1.DeviceConfiguration"),
    "resource.v1.DeviceClassConfiguration": (1, "resource.v1.DeviceConfiguration"),
}
# What no pair holds.
EXTRA: dict[str, dict[str, tuple[Path_, str]]] = {
    "apiregistration.v1.APIServiceSpec": {"caBundle": ((5,), "y")},
    "meta.v1.PartialObjectMetadata": {"metadata": ((1,), "meta.v1.ObjectMeta")},
    "apiextensions.v1.JSONSchemaProps": {"not": ((28,), "apiextensions.v1.JSONSchemaProps")},
}
META = ("v1", "v1beta1")
_HOLDERS = ("RawExtension", "FieldsV1", "JSON")
_UNIONS = ("JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray")


class Mismatch(Exception):
    """The bytes are not this JSON."""


class Conflict(Exception):
    """Two pairs say different things of one message."""


def message_name(definition: str) -> str:
    """`core.v1.Pod` of io.k8s.api.core.v1.Pod."""
    return ".".join(definition.rsplit(".", 3)[1:])


@dataclass
class Deriver:
    table: dict[str, Fields] = field(default_factory=dict)
    ties: dict[str, list[tuple[list[str], list[int]]]] = field(default_factory=dict)
    _seen: dict[tuple[str, bytes, bytes], dict[str, Fields] | Mismatch] = field(default_factory=dict)

    def message(self, name: str, node: SchemaNode | None, data: bytes, obj: Obj) -> None:
        """Add the fields of one message to the table. Raises Mismatch unless all of bytes and JSON find a partner."""
        question = (name, data, encoding.dumps(obj))
        if question not in self._seen:
            self._seen[question] = self._answer(name, node, data, obj)
        answer = self._seen[question]
        if isinstance(answer, Mismatch):
            raise answer
        for one, found in answer.items():
            known = self.table.setdefault(one, {})
            for key, value in found.items():
                if known.setdefault(key, value) != value:
                    raise Conflict(f"{one}.{key} is both {known[key]} and {value}")

    def _answer(self, name: str, node: SchemaNode | None, data: bytes, obj: Obj) -> dict[str, Fields] | Mismatch:
        """The part of the table that this message tells, a table of its own."""
        outer, self.table = self.table, {}
        try:
            fields = self._fields(name, node, grouped(data), obj)
            if fields.keys() != obj.keys():
                return Mismatch(f"{name}: no number for {sorted(obj.keys() - fields.keys())}")
            self.table[name] = fields | self.table.get(name, {})
            return self.table
        except (Mismatch, WireError) as error:
            return Mismatch(str(error))
        finally:
            self.table = outer

    def _fields(self, name: str, node: SchemaNode | None, numbers: dict[int, Values], obj: Obj) -> Fields:
        embedded, inner_name = EMBEDDED.get(name, (0, ""))
        candidates = {number: self._candidates(name, node, values, obj) for number, values in numbers.items()}
        chosen = self._assigned(
            name, {number: kinds for number, kinds in candidates.items() if number != embedded}, obj
        )
        found: Fields = {key: ((number,), candidates[number][key]) for number, key in chosen.items()}
        for number, values in numbers.items():
            if number in chosen or not any(values):
                continue  # an empty value of a field that JSON leaves out
            if number != embedded:
                raise Mismatch(f"{name}: nothing fits field {number}")
            rest = {key: value for key, value in obj.items() if key not in found}
            inner = self._fields(inner_name, node, grouped(_bytes(values[0])), rest)
            found |= {key: ((number, *path), kind) for key, (path, kind) in inner.items()}
        return found

    def _candidates(self, name: str, node: SchemaNode | None, values: Values, obj: Obj) -> dict[str, str]:
        """The fields that hold the same as these values, and their kinds."""
        kinds = {}
        for key, wanted in obj.items():
            child = node.properties.get(key) if node else None
            if kind := self._try(f"{name}.{key}", child, values, wanted):
                kinds[key] = kind
        return kinds

    def _assigned(self, name: str, candidates: dict[int, dict[str, str]], order: Obj) -> dict[int, str]:
        """Which number is which field; `order` has the fields as the Go struct has."""
        chosen: dict[int, str] = {}
        open_ = {number: list(kinds) for number, kinds in candidates.items() if kinds}
        known = {number: key for key, number in TIES.get(name, {}).items() if key in open_.get(number, ())}
        while open_:
            # What is known or leaves no choice first; then, of what remains, the first number and the first field.
            number = next(iter(known), 0) or min(open_, key=lambda one: (len(open_[one]), one))
            keys = sorted(open_[number], key=list(order).index)
            rivals = [one for one, others in open_.items() if set(keys) & set(others)]
            if len(keys) > 1 and number not in known:
                self.ties.setdefault(name, []).append((keys, rivals))
            key = chosen[number] = known.pop(number, keys[0])
            open_ = {one: [k for k in others if k != key] for one, others in open_.items() if one != number}
            open_ = {one: others for one, others in open_.items() if others}
        return chosen

    def _try(self, name: str, node: SchemaNode | None, values: Values, wanted: Any) -> str:
        try:
            return self._kind(name, node, values, wanted)
        except (Mismatch, WireError, UnicodeDecodeError, ValueError, struct.error):
            return ""

    def _kind(self, name: str, node: SchemaNode | None, values: Values, wanted: Any) -> str:
        """The kind of a field whose values are `wanted`. Raises Mismatch."""
        if node is not None and node.name in _UNIONS:
            return self._union(node, values, wanted)
        if isinstance(wanted, list) and not (node is not None and node.name in _HOLDERS):
            if len(values) != len(wanted):
                raise Mismatch
            items = node.items if node else None
            [kind] = {self._one(name, items, value, one) for value, one in zip(values, wanted, strict=True)}
            return f"[]{kind}"
        if isinstance(wanted, dict) and (node.is_map if node else _is_map(values, wanted)):
            return self._map(name, node, values, wanted)
        [value] = values
        return self._one(name, node, value, wanted)

    def _union(self, node: SchemaNode, values: Values, wanted: Any) -> str:
        [value] = values
        fields = grouped(_bytes(value))
        if node.name == "JSONSchemaPropsOrBool":
            return _need(node.name, isinstance(wanted, bool) and 1 in fields)
        if not isinstance(wanted, list) or 2 not in fields:
            raise Mismatch
        # The other arm, a schema, is empty in the pairs; a struct of all strings fits nowhere else.
        if node.name == "JSONSchemaPropsOrStringArray" and [one.encode() for one in wanted] != fields[2]:
            raise Mismatch
        if node.name == "JSONSchemaPropsOrArray" and (b"Value" in _bytes(value) or len(fields[2]) != len(wanted)):
            raise Mismatch
        return node.name

    def _map(self, name: str, node: SchemaNode | None, values: Values, wanted: Obj) -> str:
        if not _is_map(values, wanted):
            raise Mismatch
        entries = [grouped(_bytes(value)) for value in values]
        inner = node.additional if node else None
        by_key = {_bytes(entry[1][0]).decode(): entry.get(2, [b""]) for entry in entries}
        kinds = set()
        for key, one in wanted.items():
            if isinstance(one, list) and not (inner is not None and inner.name in _UNIONS):
                [held] = by_key[key]
                kinds.add(self._kind(name, inner, grouped(_bytes(held)).get(1, []), one))
            else:
                kinds.add(self._kind(name, inner, by_key[key], one))
        [kind] = kinds
        return f"{{}}{kind}"

    def _one(self, name: str, node: SchemaNode | None, value: int | bytes, wanted: Any) -> str:
        if isinstance(value, int):
            if node is not None and node.type not in ("boolean", "integer"):
                raise Mismatch
            if isinstance(wanted, bool) and value == int(wanted):
                return "b"
            return _need("i", isinstance(wanted, int) and not isinstance(wanted, bool) and signed(value) == wanted)
        if isinstance(wanted, float) or (node is not None and node.type == "number"):
            return _need("d", len(value) == 8 and struct.unpack("<d", value)[0] == wanted)
        if node is not None and (node.name in _HOLDERS or node.is_quantity or node.is_int_or_string):
            return self._special(node, value, wanted)
        if wanted is None and node is not None and node.format == "date-time":
            return _need("u" if node.name == "MicroTime" else "t", not value)
        if isinstance(wanted, str):
            return _text_kind(node, value, wanted)
        if not isinstance(wanted, dict):
            raise Mismatch
        if node is None and _bytes(grouped(value).get(1, [b""])[0])[:1] == b"{":
            return _need("j", encoding.loads(_bytes(grouped(value)[1][0])) == wanted)
        named = message_name(node.definition) if node is not None and node.definition else name
        self.message(named, node, value, wanted)
        return named

    def _special(self, node: SchemaNode, value: bytes, wanted: Any) -> str:
        if node.is_int_or_string:
            return _need("x", int_or_string(value) == wanted)
        first = _bytes(grouped(value).get(1, [b""])[0])
        if node.is_quantity:
            return _need("q", first.decode() == wanted and set(grouped(value)) <= {1})
        return _need("j", (encoding.loads(first) if first else {}) == wanted)


def _text_kind(node: SchemaNode | None, value: bytes, wanted: str) -> str:
    if node is None or node.format == "date-time":
        for kind in ("t", "u"):
            if wanted.endswith("Z") and time_text(value, micro=kind == "u") == wanted:
                return kind
    if node is None and base64.b64encode(value).decode() == wanted and value:
        return "y"
    if node is not None and node.format == "byte":
        return _need("y", base64.b64encode(value).decode() == wanted)
    return _need("s", value.decode() == wanted)


def _need(kind: str, fits: bool) -> str:
    if not fits:
        raise Mismatch
    return kind


def _is_map(values: Values, wanted: Obj) -> bool:
    """Whether the values are entries with the keys of `wanted`."""
    keys = set()
    for value in values:
        entry = grouped(_bytes(value))
        if not entry.keys() <= {1, 2} or 1 not in entry:
            return False
        keys.add(_bytes(entry[1][0]))
    return keys == {key.encode() for key in wanted}


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise Mismatch
    return value


def definition_of(group: str, version: str, kind: str) -> str:
    """The full name of a kind's definition, empty where the schema has none."""
    suffix = f".{version}.{kind}"
    short = group.partition(".")[0]
    found = [name for name in schema.definitions() if name.endswith(suffix)]
    named = [name for name in found if name.rsplit(".", 3)[1] == short]
    meta = [name for name in found if name.rsplit(".", 3)[1] == "meta" and short == "core"]
    return next(iter([*named, *meta]), "")


def derive(folder: Path) -> tuple[Deriver, dict[str, str]]:
    """The table of messages, and which kind is which message."""
    deriver, kinds = Deriver(), {}
    for pair in sorted(folder.glob("*.pb")):
        group, version, kind = pair.stem.rsplit(".", 2)
        definition = definition_of(group, version, kind)
        name = message_name(definition) if definition else f"{group.partition('.')[0]}.{version}.{kind}"
        obj = encoding.loads(pair.with_suffix(".json").read_bytes())
        # APIGroup and DeleteOptions hold their own kind, which is not in the bytes of the message.
        wanted = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
        raw = _bytes(grouped(pair.read_bytes()[4:])[2][0])
        deriver.message(name, schema.definition(definition) if definition else None, raw, wanted)
        kinds[f"{'' if group == 'core' else group + '/'}{version} {kind}"] = name
    for name, fields in EXTRA.items():
        deriver.table.setdefault(name, {}).update(fields)
    kinds |= {f"meta.k8s.io/{version} PartialObjectMetadata": "meta.v1.PartialObjectMetadata" for version in META}
    return deriver, kinds


def _row(fields: Fields) -> dict[str, str]:
    ordered = sorted(fields.items(), key=lambda item: item[1][0])
    return {name: f"{'.'.join(map(str, path))} {kind}" for name, (path, kind) in ordered}


def main(arguments: list[str]) -> None:
    deriver, kinds = derive(Path(arguments[0]))
    messages = {name: _row(fields) for name, fields in sorted(deriver.table.items())}
    lines = [f"{encoding.dumps(name).decode()}: {encoding.dumps(row).decode()}" for name, row in messages.items()]
    head = f'{{"kinds": {encoding.dumps(kinds).decode()},\n"messages": {{\n'
    FILE.write_text(head + ",\n".join(lines) + "\n}}\n")
    print(f"{len(messages)} messages, {sum(map(len, messages.values()))} fields, {len(kinds)} kinds")
    for name, ties in sorted(deriver.ties.items()):
        print(f"by order: {name}: {ties}")


if __name__ == "__main__":
    main(sys.argv[1:])
