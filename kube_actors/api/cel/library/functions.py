"""How a function of the library is declared, and how declarations become cel-cpp's extensions.

Types are written as in documentation: `string`, `list<int>`, `Quantity`. The first parameter of a member function is
what it is called on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from cel_expr_python import cel

OPAQUE = {"Quantity": "kubernetes.Quantity", "IP": "net.IP", "CIDR": "net.CIDR", "URL": "kubernetes.URL"} | {
    "Semver": "kubernetes.Semver"
}
OPAQUE |= {
    name: f"kubernetes.authorization.{name}"
    for name in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision")
}
TAG = "kubernetes type"

_SIMPLE = {
    "dyn": cel.Type.DYN,
    "bool": cel.Type.BOOL,
    "int": cel.Type.INT,
    "uint": cel.Type.UINT,
    "double": cel.Type.DOUBLE,
    "string": cel.Type.STRING,
    "bytes": cel.Type.BYTES,
    "timestamp": cel.Type.TIMESTAMP,
    "duration": cel.Type.DURATION,
}


class FunctionError(Exception):
    """A function refuses its arguments; the text becomes the evaluation's error."""


@dataclass(frozen=True, slots=True)
class Function:
    """One overload: `takes` types give `gives`. Overloads that look alike at run time share their `implementation`."""

    name: str
    takes: tuple[str, ...]
    gives: str
    implementation: Callable[..., Any]
    member: bool = True


def tagged(kind: str, value: Any) -> dict[str, Any]:
    """A value of one of Kubernetes' own types."""
    return {TAG: kind, "value": value}


def value_of(held: Any) -> Any:
    return held["value"]


def is_a(kind: str, held: Any) -> bool:
    return isinstance(held, dict) and held.get(TAG) == kind


def checked_extension(functions: Iterable[Function]) -> cel.CelExtension:
    """For the checker: every overload with its exact types, and no implementation."""
    return _extension(functions, _static)


def running_extension(functions: Iterable[Function]) -> cel.CelExtension:
    """For evaluation: one overload for those whose arguments cannot be told apart by kind."""
    merged: dict[tuple[object, ...], Function] = {}
    for function in functions:
        other = merged.get(_kinds(function), function)
        gives = function.gives if _kind(other.gives) == _kind(function.gives) else "dyn"
        merged[_kinds(function)] = replace(function, gives=gives)
    return _extension(merged.values(), _dynamic, run=True)


def _kinds(function: Function) -> tuple[object, ...]:
    return function.name, function.member, *(_kind(one) for one in function.takes)


def _extension(
    functions: Iterable[Function], typed: Callable[[str], cel.Type], *, run: bool = False
) -> cel.CelExtension:
    by_name: dict[str, list[cel.Overload]] = {}
    for function in functions:
        overloads = by_name.setdefault(function.name, [])
        overloads.append(
            cel.Overload(
                f"kubernetes_{function.name}_{len(overloads)}_{function.member}",
                return_type=typed(function.gives),
                parameters=[typed(one) for one in function.takes],
                is_member=function.member,
                impl=function.implementation if run else None,
            )
        )
    return cel.CelExtension("kubernetes", [cel.FunctionDecl(name, overloads) for name, overloads in by_name.items()])


def _static(name: str) -> cel.Type:
    if name.startswith("list<"):
        return cel.Type.List(_static(name[5:-1]))
    return cel.Type(OPAQUE[name]) if name in OPAQUE else _SIMPLE[name]


def _kind(name: str) -> str:
    if name.startswith("list<"):
        return "list"
    return "map" if name in OPAQUE else name


def _dynamic(name: str) -> cel.Type:
    kind = _kind(name)
    return {"list": cel.Type.LIST, "map": cel.Type.MAP}.get(kind) or _SIMPLE[kind]
