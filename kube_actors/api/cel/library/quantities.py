"""quantity and isQuantity, and their arithmetic (k8s.io/apiserver/pkg/cel/library/quantity.go)."""

from __future__ import annotations

from typing import Any

from kube_actors.api import quantity
from kube_actors.api.cel.library import semvers
from kube_actors.api.cel.library.functions import Function, FunctionError, is_a, tagged, value_of

_LIMIT = 2**63


def _quantity(text: str) -> dict[str, Any]:
    try:
        return tagged("Quantity", quantity.canonical(text))
    except ValueError as error:
        raise FunctionError(str(error)) from error


def _is_quantity(text: str) -> bool:
    try:
        quantity.canonical(text)
    except ValueError:
        return False
    return True


def _is_integer(held: Any) -> bool:
    value = quantity.parse(value_of(held))
    return value == value.to_integral_value() and -_LIMIT <= value < _LIMIT


def _as_integer(held: Any) -> int:
    if not _is_integer(held):
        raise FunctionError("cannot convert value to integer")
    return int(quantity.parse(value_of(held)))


def _compare(left: Any, right: Any) -> int:
    """Of two quantities or two versions, which look alike at run time."""
    if is_a("Semver", left) and is_a("Semver", right):
        return semvers.compare(value_of(left), value_of(right))
    return quantity.compare(value_of(left), value_of(right))


def _added(left: Any, right: Any) -> dict[str, Any]:
    return tagged("Quantity", quantity.add(value_of(left), _text(right)))


def _subtracted(left: Any, right: Any) -> dict[str, Any]:
    return tagged("Quantity", quantity.sub(value_of(left), _text(right)))


def _text(operand: Any) -> str:
    return str(operand) if isinstance(operand, int) else str(value_of(operand))


_BOTH = (("Quantity", "Quantity"), ("Semver", "Semver"))
FUNCTIONS = (
    Function("quantity", ("string",), "Quantity", _quantity, member=False),
    Function("isQuantity", ("string",), "bool", _is_quantity, member=False),
    Function("sign", ("Quantity",), "int", lambda held: quantity.compare(value_of(held), 0)),
    Function("isInteger", ("Quantity",), "bool", _is_integer),
    Function("asInteger", ("Quantity",), "int", _as_integer),
    Function("asApproximateFloat", ("Quantity",), "double", lambda held: float(quantity.parse(value_of(held)))),
    *(Function("compareTo", pair, "int", _compare) for pair in _BOTH),
    *(Function("isLessThan", pair, "bool", lambda a, b: _compare(a, b) < 0) for pair in _BOTH),
    *(Function("isGreaterThan", pair, "bool", lambda a, b: _compare(a, b) > 0) for pair in _BOTH),
    *(Function("add", ("Quantity", other), "Quantity", _added) for other in ("Quantity", "int")),
    *(Function("sub", ("Quantity", other), "Quantity", _subtracted) for other in ("Quantity", "int")),
)
