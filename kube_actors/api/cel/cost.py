"""What an expression can cost at most, in the units of cel-go's cost estimator.

    const 0, a name or a field 1, a call 1 and what it reads of text (a tenth of a unit a character), a list 10, a map
    30, a loop as often as what it goes over can be long

Kubernetes: cel-go's checker/cost.go, and k8s.io/apiserver/pkg/cel/library/cost.go. An upper bound only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from kube_actors.api.cel.program import Program
from kube_actors.api.cel.syntax import Call, Const, Expr, Ident, Literal, Loop, Select

_TRAVERSAL, _REGEX = 0.1, 0.25
_LIST, _MAP = 10.0, 30.0


@dataclass(frozen=True, slots=True)
class Bound:
    """How large a value can be: `size` characters or items, 1 for a number."""

    size: float = 1.0
    items: Bound | None = None
    """Of a list its elements, of a map its values."""
    fields: Mapping[str, Bound] = field(default_factory=dict)


UNKNOWN = Bound(math.inf)
_ONE = Bound()
_SAME_SIZE = ("lowerAscii", "upperAscii", "trim", "substring", "find", "charAt", "reverse", "quote")
_WHOLE_LIST = ("sum", "min", "max", "isSorted", "indexOf", "lastIndexOf", "@in")
_WHOLE_TEXT = ("lowerAscii", "upperAscii", "trim", "replace", "split", "substring", "join", "startsWith", "endsWith")
_BOOLEAN = (
    "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "!_", "_&&_", "_||_", "@in", "matches", "contains", "startsWith",
    "endsWith", "isSorted", "size", "sum", "min", "max", "indexOf", "lastIndexOf", "@not_strictly_false",
)  # fmt: skip


def estimate(program: Program, bounds: Mapping[str, Bound]) -> float:
    """The most that an evaluation can cost; infinite where nothing bounds it. `bounds` are the variables' sizes."""
    return _visit(program.tree, dict(bounds))[0]


def _visit(expr: Expr, scope: Mapping[str, Bound]) -> tuple[float, Bound]:
    if isinstance(expr, Const):
        return 0.0, Bound(expr.size)
    if isinstance(expr, Ident):
        return 1.0, scope.get(expr.name, UNKNOWN)
    if isinstance(expr, Select):
        price, bound = _visit(expr.operand, scope)
        return price + 1.0, bound.fields.get(expr.field) or bound.items or UNKNOWN
    if isinstance(expr, Literal):
        visited = [_visit(item, scope) for item in expr.items]
        items = _larger([bound for _, bound in visited])
        base = _LIST if expr.is_list else _MAP
        return base + sum(price for price, _ in visited), Bound(float(len(visited)), items)
    if isinstance(expr, Loop):
        return _visit_loop(expr, scope)
    return _visit_call(expr, scope)


def _visit_loop(loop: Loop, scope: Mapping[str, Bound]) -> tuple[float, Bound]:
    over_price, over = _visit(loop.over, scope)
    initial_price, initial = _visit(loop.initial, scope)
    gathered = Bound(over.size, UNKNOWN) if isinstance(loop.initial, Literal) else initial
    below = {**scope, loop.variable: over.items or UNKNOWN, loop.accumulator: gathered}
    turn = _visit(loop.condition, below)[0] + _visit(_appended(loop), below)[0]
    result_price, result = _visit(loop.result, {**scope, loop.accumulator: gathered})
    return over_price + initial_price + over.size * turn + result_price, result


def _appended(loop: Loop) -> Expr:
    """The step without the list that it adds to, which is not copied."""
    step = loop.step
    if isinstance(step, Call) and step.function == "_+_" and step.arguments[0] == Ident(loop.accumulator):
        return step.arguments[1]
    return step


def _visit_call(call: Call, scope: Mapping[str, Bound]) -> tuple[float, Bound]:
    visited = [_visit(argument, scope) for argument in call.arguments]
    prices, bounds = [price for price, _ in visited], [bound for _, bound in visited]
    if call.function == "_?_:_":
        return prices[0] + max(prices[1:]), _larger(bounds[1:])
    if call.function in ("_&&_", "_||_"):
        return sum(prices), _ONE
    return sum(prices) + _own_price(call.function, bounds), _result(call.function, bounds)


def _own_price(function: str, bounds: list[Bound]) -> float:
    sizes = [bound.size for bound in bounds]
    if function in ("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"):
        return max(1.0, min(sizes) * _TRAVERSAL)
    if function == "_+_":
        return max(1.0, sum(sizes) * _TRAVERSAL)
    if function in ("matches", "find", "findAll") and len(sizes) > 1:
        return max(1.0, sizes[0] * _TRAVERSAL) * max(1.0, sizes[1] * _REGEX)
    if function == "contains" and len(sizes) > 1:
        return max(1.0, sizes[0] * _TRAVERSAL) * max(1.0, sizes[1] * _TRAVERSAL)
    if function in _WHOLE_LIST:
        return max(1.0, sizes[-1] if function == "@in" else sizes[0])
    if function in _WHOLE_TEXT:
        return max(1.0, sizes[0] * _TRAVERSAL)
    return 1.0


def _result(function: str, bounds: list[Bound]) -> Bound:
    if function in _BOOLEAN:
        return _ONE
    if function == "_[_]":
        return bounds[0].items or UNKNOWN
    if function == "_+_":
        return Bound(sum(bound.size for bound in bounds), bounds[0].items)
    if function in ("_-_", "_*_", "_/_", "_%_", "-_"):
        return _ONE
    return Bound(bounds[0].size) if function in _SAME_SIZE and bounds else UNKNOWN


def _larger(bounds: list[Bound]) -> Bound:
    return max(bounds, key=lambda bound: bound.size, default=_ONE)
