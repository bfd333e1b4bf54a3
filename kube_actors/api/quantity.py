"""Resource quantities: `100m`, `1.5Gi`, `1e3`, exact, in the canonical form of apimachinery's resource.Quantity.

A quantity is a number and the family of suffixes it was written in. Numbers finer than a nano unit are
rounded up, and what exceeds an int64 is capped, as Kubernetes does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_UP, Context, Decimal
from functools import lru_cache

FORMAT_ERROR = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
NUMERIC_ERROR = "unable to parse numeric part of quantity"
SUFFIX_ERROR = "unable to parse quantity's suffix"

_SHAPE = re.compile(r"([+-]?)([0-9]*)(?:(\.)([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_EXPONENT = re.compile(r"[eE]([-+]?[0-9]+)", re.ASCII)
_DECIMAL_EXPONENTS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_EXPONENTS = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIXES = {exponent: suffix for suffix, exponent in _DECIMAL_EXPONENTS.items()}
_BINARY_SUFFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_EXACT = Context(prec=400)
_MAX = Decimal(2**63 - 1)
_NANO = Decimal("1e-9")

DECIMAL_SI, BINARY_SI, DECIMAL_EXPONENT = "DecimalSI", "BinarySI", "DecimalExponent"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A parsed quantity; `format` is the family of suffixes its text uses."""

    value: Decimal
    format: str = DECIMAL_SI

    def __str__(self) -> str:
        return _text(self.value, self.format)


@lru_cache(maxsize=4096)
def read(text: str) -> Quantity:
    """The quantity of `text`. Raises ValueError with Kubernetes' text."""
    match = _SHAPE.fullmatch(text)
    if match is None or not (match[2] or match[4]):
        raise ValueError(FORMAT_ERROR if text == "" or match is None else NUMERIC_ERROR)
    sign, whole, _, fraction, suffix = match.groups()
    value = Decimal(f"{whole or '0'}.{fraction or '0'}")
    exponent = _EXPONENT.fullmatch(suffix)
    if suffix in _DECIMAL_EXPONENTS:
        value, family = _EXACT.scaleb(value, _DECIMAL_EXPONENTS[suffix]), DECIMAL_SI
    elif suffix in _BINARY_EXPONENTS:
        value, family = _EXACT.multiply(value, Decimal(2 ** _BINARY_EXPONENTS[suffix])), BINARY_SI
    elif exponent is not None:
        value, family = _EXACT.scaleb(value, max(-400, min(400, int(exponent[1])))), DECIMAL_EXPONENT
    else:
        raise ValueError(SUFFIX_ERROR)
    if value > _MAX:
        value = _MAX
    elif _EXACT.remainder(value, _NANO):
        value = value.quantize(_NANO, rounding=ROUND_UP, context=_EXACT)
    if family == BINARY_SI and 0 < value < 1:
        family = DECIMAL_SI
    return Quantity(_EXACT.minus(value) if sign == "-" else value, family)


def parse(text: str | int | float) -> Decimal:
    """The exact value. Raises ValueError with Kubernetes' text."""
    return read(str(text)).value


@lru_cache(maxsize=4096)
def canonical(text: str | int | float) -> str:
    """The form in which Kubernetes answers: `0.5` is `500m`, `1024Mi` is `1Gi`. Raises ValueError."""
    return str(read(str(text)))


@lru_cache(maxsize=4096)
def milli(text: str | int | float) -> int:
    """In thousandths, rounded up: `250m` of CPU is 250."""
    return _ceil(_EXACT.scaleb(parse(text), 3))


@lru_cache(maxsize=4096)
def to_int(text: str | int | float) -> int:
    """In whole units, rounded up: `1Ki` is 1024, `1500m` is 2."""
    return _ceil(parse(text))


def compare(left: str | int | float, right: str | int | float) -> int:
    """-1, 0 or 1 as `left` is less than, equal to or greater than `right`."""
    a, b = parse(left), parse(right)
    return (a > b) - (a < b)


def add(left: str | int | float, right: str | int | float) -> str:
    """The sum, in the suffix family of `left` (of `right` where `left` is zero)."""
    a, b = read(str(left)), read(str(right))
    return _text(_EXACT.add(a.value, b.value), a.format if a.value else b.format)


def sub(left: str | int | float, right: str | int | float) -> str:
    """The difference, in the suffix family of `left` (of `right` where `left` is zero)."""
    a, b = read(str(left)), read(str(right))
    return _text(_EXACT.subtract(a.value, b.value), a.format if a.value else b.format)


def from_milli(value: int) -> str:
    """The canonical text of so many thousandths."""
    return _text(_EXACT.scaleb(Decimal(value), -3), DECIMAL_SI)


def from_int(value: int, *, binary: bool = False) -> str:
    """The canonical text of a whole number, with binary suffixes where asked."""
    return _text(Decimal(value), BINARY_SI if binary else DECIMAL_SI)


@lru_cache(maxsize=4096)
def round_up_milli(text: str) -> str:
    """The canonical text, rounded up to thousandths, as Kubernetes defaults every resource list."""
    quantity = read(text)
    rounded = _EXACT.scaleb(quantity.value, 3).to_integral_value(ROUND_UP)
    return _text(_EXACT.scaleb(rounded, -3), quantity.format)


def _ceil(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_CEILING))


def _text(value: Decimal, family: str) -> str:
    if not value:
        return "0"
    if family == BINARY_SI and abs(value) >= 1024 and value == value.to_integral_value():
        return _binary_text(int(value))
    _, digits, exponent = value.normalize(_EXACT).as_tuple()
    assert isinstance(exponent, int)
    shift = exponent % 3
    number = int("".join(map(str, digits))) * 10**shift
    exponent -= shift
    while exponent > 18:  # there is no suffix above E
        number, exponent = number * 1000, exponent - 3
    sign = "-" if value < 0 else ""
    if family == DECIMAL_EXPONENT:
        return f"{sign}{number}e{exponent}" if exponent else f"{sign}{number}"
    return f"{sign}{number}{_DECIMAL_SUFFIXES[exponent]}"


def _binary_text(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < 6:
        number, power = number // 1024, power + 1
    return f"{number}{_BINARY_SUFFIXES[power]}"
