"""The form in which an object leaves Kubernetes' decoder and encoder: one compiled function a definition.

A round trip through Go's types drops nulls, unknown fields and empty values of fields that are no pointers, checks
types, writes quantities and times canonically, and adds the structs that are always there. `normalizer(node)`
does the same on plain dicts in one walk; it is built once for each definition.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from kube_actors.api import gotypes, quantity
from kube_actors.api.schema import SchemaNode, definition

# Takes a value and a list to which the names of unknown fields are added.
Normalize = Callable[[Any, list[str]], Any]


class Mismatch(Exception):
    """A value of the wrong type; the path is filled in while the error travels up."""

    def __init__(self, found: str, wanted: str, text: str = "") -> None:
        super().__init__(text)
        self.found, self.wanted, self.text = found, wanted, text
        self.struct = ""
        self.path: list[str] = []

    def message(self) -> str:
        """encoding/json's words for it."""
        if self.text:
            return self.text
        where = f"Go struct field {self.struct}.{'.'.join(reversed(self.path))}" if self.path else "Go value"
        return f"json: cannot unmarshal {self.found} into {where} of type {self.wanted}"

    def restoring(self) -> str:
        """The same in the words of apimachinery's converter from unstructured objects."""
        if self.text:
            return self.text
        kind = {"array": "slice", "object": "map", "number": "int64"}.get(self.found, self.found)
        if self.wanted.startswith("[]"):
            return f"cannot restore slice from {kind}"
        if self.wanted.startswith("map["):
            return f"cannot restore map from {kind}"
        return f"cannot restore struct from: {kind}" if "." in self.wanted else f"unrecognized type: {self.wanted}"


class _Dropped:
    """The answer of a normalizer whose value is not to be encoded."""


DROP: Any = _Dropped()

_compiled: dict[str, Normalize] = {}


def normalizer(node: SchemaNode) -> Normalize:
    """The function that gives a value's normal form, for objects of `node`. It raises Mismatch."""
    if node.definition:
        found = _compiled.get(node.definition)
        if found is None:
            found = _compiled[node.definition] = _Late(node)
        return found
    return _compile(node)


class _Late:
    """A definition's normalizer, compiled on its first use: definitions may hold themselves."""

    __slots__ = ("_node", "_run")

    def __init__(self, node: SchemaNode) -> None:
        self._node = node
        self._run: Normalize | None = None

    def __call__(self, value: Any, unknown: list[str]) -> Any:
        if self._run is None:
            self._run = _compile(self._node)
            _compiled[self._node.definition] = self._run
        return self._run(value, unknown)


def describe(value: Any) -> str:
    """How encoding/json calls a value in an error."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list) else "object"


def _compile(node: SchemaNode) -> Normalize:
    if node.is_quantity:
        return _quantity
    if node.is_int_or_string:
        return _int_or_string
    if node.name in _SCHEMA_OR:
        return _schema_or(node)
    if node.preserve_unknown or node.is_any:
        return _anything
    if node.format == "date-time":
        return _micro_time if node.name == "MicroTime" else _time
    if node.type == "array":
        return _list(node)
    if node.is_map:
        return _map(node)
    if node.type == "object":
        return _struct(node) if node.properties else _empty_object
    return _scalar(node)


def _anything(value: Any, unknown: list[str]) -> Any:
    return value


# Unions of a CustomResourceDefinition's schemas: what else than a schema they may be.
_SCHEMA_OR: dict[str, type] = {"JSONSchemaPropsOrArray": list, "JSONSchemaPropsOrBool": bool}


def _schema_or(node: SchemaNode) -> Normalize:
    name, other = node.name, _SCHEMA_OR[node.name]
    each = normalizer(definition(node.definition.partition("Or")[0]))

    def schema_or(value: Any, unknown: list[str]) -> Any:
        if isinstance(value, dict):
            return each(value, unknown)
        if not isinstance(value, other):
            raise Mismatch("", "", f"json: cannot unmarshal {describe(value)} into Go value of type v1.{name}")
        return [each(one, unknown) for one in value] if isinstance(value, list) else value

    return schema_or


def _empty_object(value: Any, unknown: list[str]) -> Any:
    if not isinstance(value, dict):
        raise Mismatch(describe(value), "map[string]interface {}")
    return {}


def _quantity(value: Any, unknown: list[str]) -> Any:
    if value is None:
        return "0"
    if isinstance(value, bool | dict | list):
        raise Mismatch("", "", quantity.FORMAT_ERROR)
    try:
        return quantity.round_up_milli(str(value).strip())
    except ValueError as error:
        raise Mismatch("", "", str(error)) from None


def _int_or_string(value: Any, unknown: list[str]) -> Any:
    if type(value) is str:
        return value
    if type(value) is int:
        if -(2**31) <= value < 2**31:
            return value
        raise Mismatch(f"number {value}", "int32")
    if value is None:
        return 0
    raise Mismatch(f"number {value}" if isinstance(value, float) else describe(value), "int32")


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_MICRO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def _time(value: Any, unknown: list[str]) -> Any:
    if type(value) is str and _TIME.fullmatch(value):
        return value
    return _parsed_time(value, "2006-01-02T15:04:05Z07:00").strftime("%Y-%m-%dT%H:%M:%SZ") if value else None


def _micro_time(value: Any, unknown: list[str]) -> Any:
    if type(value) is str and _MICRO.fullmatch(value):
        return value
    layout = "2006-01-02T15:04:05.000000Z07:00"
    if value and isinstance(value, str) and "." not in value and _TIME.fullmatch(value):
        text = f'parsing time "{value}" as "{layout}": cannot parse "Z" as ".000000"'
        raise Mismatch("", "", text)
    return _parsed_time(value, layout).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value else None


def _parsed_time(value: Any, layout: str) -> datetime:
    if not isinstance(value, str):
        raise Mismatch(describe(value), "string")
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if "T" in value and moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except ValueError:
        pass
    raise Mismatch("", "", f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"')


def _scalar(node: SchemaNode) -> Normalize:
    wanted = gotypes.type_name(node)
    if node.type == "integer":
        return _integer(wanted)
    if node.type == "string" and node.format == "byte":
        return _bytes
    kind = {"string": str, "boolean": bool}.get(node.type)
    if kind is None:
        return _number

    def scalar(value: Any, unknown: list[str]) -> Any:
        if value.__class__ is not kind:
            if value is None:
                return kind()
            raise Mismatch(describe(value), wanted)
        return value

    return scalar


def _number(value: Any, unknown: list[str]) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Mismatch(describe(value), "float64")
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _integer(wanted: str) -> Normalize:
    limit = 2**31 if wanted == "int32" else 2**63

    def integer(value: Any, unknown: list[str]) -> Any:
        if value.__class__ is int:
            if -limit <= value < limit:
                return value
            raise Mismatch(f"number {value}", wanted)
        if value is None:
            return 0
        raise Mismatch(f"number {value}" if value.__class__ is float else describe(value), wanted)

    return integer


def _bytes(value: Any, unknown: list[str]) -> Any:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Mismatch(describe(value), "[]uint8")
    try:
        base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise Mismatch("", "", f"illegal base64 data at input byte {_bad_byte(value)}") from None
    return value


_BASE64 = re.compile(r"[A-Za-z0-9+/]*")


def _bad_byte(text: str) -> int:
    """Where Go's decoder gives up: at the first byte that does not fit, in steps of four."""
    match = _BASE64.match(text)
    good = match.end() if match else 0
    if good < len(text) and text[good] != "=":
        return good
    if good < len(text) and good % 4 >= 2:
        return min(good + (4 - good % 4), len(text))
    return good if good < len(text) else len(text) - len(text) % 4 if len(text) % 4 else len(text)


def _list(node: SchemaNode) -> Normalize:
    wanted = gotypes.type_name(node)
    items = node.items
    if items is None:
        return _anything
    if items.type == "string" and not items.format:
        return _string_list(wanted)
    each = normalizer(items)
    zero: Any = {} if items.type == "object" else None

    def sequence(value: Any, unknown: list[str]) -> Any:
        if value.__class__ is not list:
            raise Mismatch(describe(value), wanted)
        return [each(zero if item is None else item, unknown) for item in value]

    return sequence


def _string_list(wanted: str) -> Normalize:
    def strings(value: Any, unknown: list[str]) -> Any:
        if value.__class__ is not list:
            raise Mismatch(describe(value), wanted)
        for item in value:
            if item.__class__ is not str:
                return ["" if item is None else _text(item) for item in value]
        return value

    return strings


def _text(item: Any) -> str:
    if isinstance(item, str):
        return item
    raise Mismatch(describe(item), "string")


def _map(node: SchemaNode) -> Normalize:
    wanted = gotypes.type_name(node)
    inner = node.additional
    assert inner is not None
    if inner.type == "string" and not inner.format:
        return _string_map(wanted)
    each = normalizer(inner)

    def mapping(value: Any, unknown: list[str]) -> Any:
        if value.__class__ is not dict:
            raise Mismatch(describe(value), wanted)
        return {key: each(item, unknown) for key, item in value.items()}

    return mapping


def _string_map(wanted: str) -> Normalize:
    def strings(value: Any, unknown: list[str]) -> Any:
        if value.__class__ is not dict:
            raise Mismatch(describe(value), wanted)
        for item in value.values():
            if item.__class__ is not str:
                return {key: "" if item is None else _text(item) for key, item in value.items()}
        return value

    return strings


class _Field:
    """How one field of a struct is taken over: a plain scalar by its class, anything else by a function."""

    __slots__ = ("drop_empty", "kind", "run", "wanted")

    def __init__(self, node: SchemaNode, name: str) -> None:
        child = node.properties[name]
        self.wanted = gotypes.type_name(child, name)
        self.kind: type | None = None
        self.run: Normalize = _anything
        plain = child.type in ("string", "boolean") and not child.format
        self.drop_empty = False
        if plain and not child.definition:
            self.kind = str if child.type == "string" else bool
            self.drop_empty = not gotypes.keeps_zero(node, name)
            return
        self.run = normalizer(child)
        if child.type in ("array", "object") and not child.preserve_unknown:
            holds_many = child.type == "array" or child.is_map
            # Those that are always written come back as null, as from Go's nil.
            self.drop_empty = holds_many and not gotypes.keeps_empty_list(node, name)
        elif child.type in ("integer", "string") and child.format != "date-time":
            self.drop_empty = not gotypes.keeps_zero(node, name)


def _zero(node: SchemaNode, name: str) -> Callable[[], Any] | None:
    """What makes the value of a field that was not given; None makes nothing."""
    child = node.properties[name]
    if not gotypes.is_filled(node, name):
        return None
    if child.type == "object" and child.definition and not child.preserve_unknown:
        run = normalizer(child)
        return lambda: run({}, [])
    if child.is_quantity:
        return lambda: "0"
    if child.is_int_or_string:
        return lambda: 0
    if gotypes.zero_is_null(node, name):
        return lambda: None
    zeros: dict[str, Any] = {"string": "", "integer": 0, "boolean": False, "number": 0}
    zero = zeros.get(child.type)
    if child.format in ("date-time", "byte"):
        zero = None
    return lambda: zero


def _struct(node: SchemaNode) -> Normalize:
    """The normalizer of an object with known fields."""
    fields = {
        name: (field.kind, field.drop_empty, field.run, field.wanted)
        for name in node.properties
        for field in (_Field(node, name),)
    }
    fills = [(name, zero) for name in node.properties if (zero := _zero(node, name)) is not None]
    struct, go_name = node.name, gotypes.type_name(node)
    get = fields.get

    def normalize(value: Any, unknown: list[str]) -> Any:
        if value.__class__ is not dict:
            raise Mismatch(describe(value), go_name)
        out: dict[str, Any] = {}
        key = ""
        try:
            for key, item in value.items():
                if item is None:
                    continue
                field = get(key)
                if field is None:
                    unknown.append(key)
                    continue
                kind, drop_empty, run, wanted = field
                if kind is not None:
                    if item.__class__ is not kind:
                        raise Mismatch(describe(item), wanted)
                else:
                    item = run(item, unknown)
                if not drop_empty or item:
                    out[key] = item
        except Mismatch as error:
            error.path.append(key)
            error.struct = error.struct or struct
            raise
        for name, zero in fills:
            if name not in out:
                out[name] = zero()
        return out

    return normalize


class Pairs(list[tuple[str, Any]]):
    """The members of one JSON object in their order, a field that is given twice twice."""


def problems(node: SchemaNode | None, value: Any, path: str = "") -> Iterator[str]:
    """`unknown field "spec.containers[0].bogus"` and, where `value` holds `Pairs`, `duplicate field "spec.x"`."""
    if isinstance(value, dict | Pairs):
        yield from _object_problems(node, value, path)
    elif isinstance(value, list):
        items = node.items if node else None
        for index, item in enumerate(value):
            yield from problems(items, item, f"{path}[{index}]")


def _object_problems(node: SchemaNode | None, value: dict[str, Any] | Pairs, path: str) -> Iterator[str]:
    known = {} if node is None or node.preserve_unknown or node.is_any else node.properties
    seen: set[str] = set()
    for key, item in value if isinstance(value, Pairs) else value.items():
        where = f"{path}.{key}" if path else key
        child = known.get(key) if known else node.additional if node else None
        if child is None and known:
            yield f'unknown field "{where}"'
            continue
        if key in seen:
            yield f'duplicate field "{where}"'
        seen.add(key)
        yield from problems(child, item, where)
