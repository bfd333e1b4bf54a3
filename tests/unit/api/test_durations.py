"""Durations as Go reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api.durations import UNITS, seconds

PARTS = st.lists(st.tuples(st.integers(0, 9999), st.sampled_from(sorted(UNITS))), min_size=1, max_size=5)


@given(PARTS, st.sampled_from(["", "+", "-"]))
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str]], sign: str) -> None:
    text = sign + "".join(f"{number}{unit}" for number, unit in parts)
    total = sum(number * UNITS[unit] for number, unit in parts)
    assert seconds(text) == pytest.approx(-total if sign == "-" else total)


@pytest.mark.parametrize(
    ("text", "fault"),
    [("", "invalid"), ("5", "missing unit in"), ("1d", "invalid"), ("1h 2m", "invalid"), (".s", "invalid")],
)
def test_what_is_none_is_refused_in_gos_words(text: str, fault: str) -> None:
    with pytest.raises(ValueError) as refused:
        seconds(text)
    assert str(refused.value) == f'time: {fault} duration "{text}"'
