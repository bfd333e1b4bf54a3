"""How many copies of its inputs the value of an expression can hold: what bounds the memory of an evaluation.

Loops are bounded by cel-cpp, but text that is doubled thirty times in a row (`cel.bind(a, s + s, cel.bind(b, a + a,
...))`, `[s].map(x, x + x).map(y, y + y)`) is not.
"""

from __future__ import annotations

from collections.abc import Mapping

from kube_actors.api.cel.syntax import Const, Expr, Ident, Literal, Loop, Select

LIMIT = 1000.0
_MULTIPLIES = ("replace", "join")


def copies(expr: Expr, scope: Mapping[str, float] | None = None) -> float:
    """An upper bound of the copies; values of a fixed size count as none."""
    scope = scope or {}
    if isinstance(expr, Const):
        return 0.0
    if isinstance(expr, Ident):
        return scope.get(expr.name, 1.0)
    if isinstance(expr, Select):
        return copies(expr.operand, scope)
    if isinstance(expr, Literal):
        return sum(copies(item, scope) for item in expr.items)
    if isinstance(expr, Loop):
        return _of_loop(expr, scope)
    parts = [copies(argument, scope) for argument in expr.arguments]
    if expr.function == "_?_:_":
        return max(parts)
    if expr.function in _MULTIPLIES:
        return max(1.0, parts[0]) * max(1.0, *parts[1:], 1.0)
    return sum(parts)


def _of_loop(loop: Loop, scope: Mapping[str, float]) -> float:
    over, initial = copies(loop.over, scope), copies(loop.initial, scope)
    below = {**scope, loop.accumulator: initial, loop.variable: over}
    step = copies(loop.step, below)
    return copies(loop.result, {**below, loop.accumulator: max(initial, step)})
