"""From the bytes of a request to an object as Kubernetes' decoders and encoders would leave it.

    decode(resource, data)   JSON bytes -> Decoded(obj, problems)
    convert(resource, obj)   the same for an object that is parsed already (a patch's result)

The object is in normal form (see `normal`): no nulls, no unknown fields, quantities canonical. `problems` lists
unknown and duplicate fields in Kubernetes' words; the caller warns, refuses or ignores them as `fieldValidation`
says. What has the wrong type, or is no JSON, raises `DecodeError`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from kube_actors.api import Obj, schema
from kube_actors.api.crd import decoding as custom
from kube_actors.api.crd.definition import ServedVersion
from kube_actors.api.normal import Mismatch, Pairs, describe, normalizer, problems
from kube_actors.api.resources import Resource
from kube_actors.api.schema import SchemaNode


class DecodeError(ValueError):
    """The body cannot become an object of the kind; the text is Kubernetes'.

    `restoring` says it in the words in which the converter of parsed objects has it, where it knows better.
    """

    def __init__(self, text: str, restoring: str = "") -> None:
        super().__init__(text)
        self.restoring = restoring or text


@dataclass(frozen=True, slots=True)
class Decoded:
    """An object in normal form, and what was wrong with fields that it does not hold."""

    obj: Obj
    problems: tuple[str, ...] = ()


TOO_DEEP = "exceeded max depth"


def strict_error(faults: Sequence[str]) -> str:
    """`strict decoding error: unknown field "spec.x", duplicate field "spec.y"`."""
    return f"strict decoding error: {', '.join(faults)}"


def decode(resource: Resource, data: bytes) -> Decoded:
    """The object that a request's JSON body holds. Raises DecodeError."""
    obj = parse(data)
    if resource.definition is not None:
        return _custom(resource.definition, obj, data)
    # Compact JSON without duplicates is as long as when it is encoded again: the common case, in microseconds.
    try:
        if len(data) == len(orjson.dumps(obj)) or not _has_duplicates(data):
            return convert(resource, obj)
    except (orjson.JSONEncodeError, RecursionError):
        raise DecodeError(TOO_DEEP) from None
    node = schema.of(resource)
    pairs = json.loads(data.decode("utf-8", errors="replace"), object_pairs_hook=Pairs)
    return Decoded(_normal(node, obj, []), tuple(dict.fromkeys(problems(node, pairs))))


def convert(resource: Resource, obj: Any) -> Decoded:
    """The normal form of `obj`, which is left as it is. Raises DecodeError."""
    if resource.definition is not None:
        return _custom(resource.definition, obj)
    return convert_node(schema.of(resource), obj)


def convert_node(node: SchemaNode, obj: Any) -> Decoded:
    """As `convert`, for an object of any definition (a Binding, an Eviction, a Scale)."""
    unknown: list[str] = []
    normal = _normal(node, obj, unknown)
    return Decoded(normal, tuple(problems(node, obj)) if unknown else ())


def duplicates(data: bytes, value: Any) -> list[str]:
    """`duplicate field "spec.replicas"`, for fields that are given twice in `data`, which is `value` in JSON."""
    if len(data) == len(orjson.dumps(value)) or not _has_duplicates(data):
        return []
    pairs = json.loads(data.decode("utf-8", errors="replace"), object_pairs_hook=Pairs)
    return list(dict.fromkeys(problems(None, pairs)))


def _custom(definition: ServedVersion, obj: Any, data: bytes = b"") -> Decoded:
    """An object of a custom resource; `data` is the text that it was parsed from, where duplicates may be."""
    if not isinstance(obj, dict):
        raise DecodeError(f"json: cannot unmarshal {describe(obj)} into Go value of type map[string]interface {{}}")
    for field in ("kind", "apiVersion"):
        if not obj.get(field) or not isinstance(obj[field], str):
            raise DecodeError(f"Object '{field[0].upper()}{field[1:]}' is missing in '{orjson.dumps(obj).decode()}'")
    unknown: list[str] = []
    try:
        normal = custom.normal(definition.schema, obj, unknown)
    except Mismatch as error:
        raise DecodeError(error.message()) from None
    found = [f'unknown field "{path}"' for path in unknown]
    if data:
        found = duplicates(data, obj) + found
    return Decoded(normal, tuple(dict.fromkeys(found)))


def _has_duplicates(data: bytes) -> bool:
    """Whether any object in `data` gives a field twice."""
    found = False

    def members(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        if len({key for key, _ in pairs}) != len(pairs):
            found = True

    json.loads(data.decode("utf-8", errors="replace"), object_pairs_hook=members)
    return found


def _normal(node: SchemaNode, obj: Any, unknown: list[str]) -> Obj:
    try:
        normal: Obj = normalizer(node)({} if obj is None else obj, unknown)
    except Mismatch as error:
        raise DecodeError(error.message(), error.restoring()) from None
    return normal


def parse(data: bytes) -> Any:
    """JSON as Go reads it; of a field given twice the last counts. Raises DecodeError."""
    try:
        return orjson.loads(data)
    except ValueError:
        return _parse_leniently(data)


def _parse_leniently(data: bytes) -> Any:
    """What orjson refuses and Go takes: invalid UTF-8, lone surrogates, huge numbers."""
    try:
        return _scalars(json.loads(data.decode("utf-8", errors="replace"), parse_constant=_no_constant))
    except OverflowError:
        raise DecodeError("json: cannot unmarshal number into Go value of type float64") from None
    except (ValueError, RecursionError) as error:
        raise DecodeError(_syntax_error(data, error)) from None


_SURROGATES = re.compile("[\ud800-\udfff]")


def _scalars(value: Any) -> Any:
    """With U+FFFD for each half of a surrogate pair that stands alone, and huge integers as doubles, as Go reads them.

    Raises OverflowError for a number that is no double.
    """
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    if isinstance(value, list):
        return [_scalars(item) for item in value]
    return {_scalars(key): _scalars(item) for key, item in value.items()} if isinstance(value, dict) else value


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _syntax_error(data: bytes, error: Exception) -> str:
    """encoding/json's words for the first byte that does not fit."""
    if isinstance(error, RecursionError):
        return "exceeded max depth"
    if not isinstance(error, json.JSONDecodeError):
        return f"invalid character 'N' looking for beginning of value ({error})"
    text = error.doc
    at = error.pos
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    if at >= len(text):
        return "unexpected end of JSON input"
    if error.msg.startswith("Unterminated string"):
        return "unexpected end of JSON input"
    for literal in ("null", "true", "false"):
        if error.msg == "Expecting value" and text[at] == literal[0]:
            return _literal_error(text[at:], literal)
    shown = {"'": "\\'", '"': '"'}.get(text[at], text[at])
    return f"invalid character '{shown}' {_GO_CONTEXT.get(error.msg, 'looking for beginning of value')}"


def _literal_error(text: str, literal: str) -> str:
    """What does not fit in a word that begins as a literal does."""
    for got, wanted in zip(text, literal, strict=False):
        if got != wanted:
            return f"invalid character {_char(got)} in literal {literal} (expecting {_char(wanted)})"
    return "unexpected end of JSON input"


def _char(char: str) -> str:
    return "'\\''" if char == "'" else f"'{char}'"


_GO_CONTEXT = {
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
    "Expecting value": "looking for beginning of value",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
}
