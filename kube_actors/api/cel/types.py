"""Types that an expression's variables may have: values, compared by what they say, usable as keys.

An object type has named fields, like a Go struct or a CRD's properties: naming another field is a compile error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Type:
    """One type. `kind` is CEL's name of it (`int`, `string`, `list`, `map`, `object`, `optional`, `dyn`, ...)."""

    kind: str
    items: Type | None = None
    """Of a list its elements, of a map its values, of an optional what it may hold."""
    fields: tuple[tuple[str, Type], ...] = ()
    """Of an object, in the order of its declaration."""


DYN, BOOL, INT, UINT, DOUBLE = Type("dyn"), Type("bool"), Type("int"), Type("uint"), Type("double")
STRING, BYTES, TIMESTAMP, DURATION = Type("string"), Type("bytes"), Type("timestamp"), Type("duration")


def list_of(items: Type) -> Type:
    return Type("list", items)


def map_of(values: Type) -> Type:
    """Keys are strings."""
    return Type("map", values)


def object_of(fields: Mapping[str, Type]) -> Type:
    return Type("object", fields=tuple(fields.items()))


def optional_of(held: Type) -> Type:
    return Type("optional", held)
