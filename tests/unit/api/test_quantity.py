"""Quantities: what they read, how they are written, how they compare."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import quantity

SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi", "e3", "E-2"]
quantities = st.builds(
    lambda sign, whole, fraction, suffix: f"{sign}{whole}{fraction}{suffix}",
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**6),
    st.sampled_from(["", ".5", ".25", ".001", "."]),
    st.sampled_from(SUFFIXES),
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0.5", "500m"),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("1000k", "1M"),
        ("12e6", "12e6"),
        ("0.1n", "1n"),
        (".5", "500m"),
        ("5.", "5"),
        ("+1", "1"),
        ("-1", "-1"),
        ("0", "0"),
        ("0.5Ki", "512"),
        ("1Ki", "1Ki"),
        ("1000Ki", "1000Ki"),
        ("1.2", "1200m"),
        ("100E", "9223372036854775807"),
        (2, "2"),
        (0.25, "250m"),
    ],
)
def test_a_quantity_is_written_in_kubernetes_canonical_form(text: str | float, canonical: str) -> None:
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize("text", ["", "x", "1x", "1.2.3", "1 ", " 1", "Ki", "1kk", "--1"])
def test_what_is_no_quantity_is_refused_with_kubernetes_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"quantities must match|unable to parse"):
        quantity.parse(text)


def test_milli_and_whole_units_round_up() -> None:
    assert quantity.milli("100m") == 100
    assert quantity.milli("0.1234") == 124
    assert quantity.milli(2) == 2000
    assert quantity.to_int("1Ki") == 1024
    assert quantity.to_int("1500m") == 2
    assert quantity.round_up_milli("100u") == "1m"


def test_sums_and_differences_keep_the_suffixes_of_the_left_side() -> None:
    assert quantity.add("1Gi", "512Mi") == "1536Mi"
    assert quantity.sub("1Gi", "1Gi") == "0"
    assert quantity.add("0", "1Gi") == "1Gi"
    assert quantity.sub("1", "250m") == "750m"
    assert quantity.from_milli(1500) == "1500m"
    assert quantity.from_int(2**30, binary=True) == "1Gi"


@given(quantities)
def test_the_canonical_form_is_stable_and_means_the_same(text: str) -> None:
    canonical = quantity.canonical(text)
    # Of binary amounts that are no whole Ki only the number is left (312.5Ki is 320000), which is a decimal one: 320k.
    settled = quantity.canonical(canonical)
    assert settled == canonical or text.endswith("i")
    assert quantity.canonical(settled) == settled
    assert quantity.parse(canonical) == quantity.parse(text)


@given(quantities, quantities)
def test_comparison_is_that_of_the_numbers(left: str, right: str) -> None:
    a, b = quantity.parse(left), quantity.parse(right)
    assert quantity.compare(left, right) == (a > b) - (a < b)
    assert quantity.compare(left, right) == -quantity.compare(right, left)


small = quantities.filter(lambda text: abs(quantity.parse(text)) < 10**12)


@given(small, small)
def test_a_sum_is_undone_by_a_difference(left: str, right: str) -> None:
    total = quantity.add(left, right)
    assert quantity.parse(quantity.sub(total, right)) == quantity.parse(left)


@given(st.integers(-(10**15), 10**15))
def test_milli_reads_what_from_milli_writes(value: int) -> None:
    assert quantity.milli(quantity.from_milli(value)) == value


def test_the_value_is_exact() -> None:
    assert quantity.parse("0.1") + quantity.parse("0.2") == Decimal("0.3")
