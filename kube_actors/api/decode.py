"""From the bytes of a request to an object as Kubernetes' decoders would leave it.

    decode(resource, data)   JSON bytes -> Decoded(obj, problems)
    convert(resource, obj)   the same for an object that is parsed already (a patch's result)

`problems` lists unknown and duplicate fields in Kubernetes' words; the caller warns, refuses or ignores
them as `fieldValidation` says. What has the wrong type raises `DecodeError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from kube_actors.api import Obj, schema
from kube_actors.api.resources import Resource
from kube_actors.api.schema import SchemaNode


class DecodeError(ValueError):
    """The body cannot become an object of the kind; the text is Kubernetes'."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """An object with known fields only, and what was wrong with the others."""

    obj: Obj
    problems: tuple[str, ...] = ()


def strict_error(problems: Sequence[str]) -> str:
    """`strict decoding error: unknown field "spec.x", duplicate field "spec.y"`."""
    return f"strict decoding error: {', '.join(problems)}"


def decode(resource: Resource, data: bytes) -> Decoded:
    """The object that a request's JSON body holds. Raises DecodeError."""
    try:
        obj = orjson.loads(data)
    except ValueError as error:
        raise DecodeError(str(error)) from None
    return convert(resource, obj)


def convert(resource: Resource, obj: Obj) -> Decoded:
    """`obj` itself, with unknown fields dropped. Raises DecodeError."""
    problems: list[str] = []
    if isinstance(obj, dict):
        _prune(schema.of(resource), obj, "", problems)
    return Decoded(obj, tuple(problems))


def _prune(node: SchemaNode, value: object, path: str, problems: list[str]) -> None:
    if isinstance(value, dict) and node.properties:
        for key in list(value):
            child = node.properties.get(key)
            where = f"{path}.{key}" if path else key
            if child is None:
                problems.append(f'unknown field "{where}"')
                del value[key]
            else:
                _prune(child, value[key], where, problems)
    elif isinstance(value, dict) and node.additional:
        for key, inner in value.items():
            _prune(node.additional, inner, f"{path}.{key}", problems)
    elif isinstance(value, list) and node.items:
        for index, inner in enumerate(value):
            _prune(node.items, inner, f"{path}[{index}]", problems)
