"""Which warnings an answer carries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kube_actors.apiserver.rest.server import MAX_WARNING, MAX_WARNINGS, MAX_WARNINGS_TOTAL, sendable_warnings


def test_a_warning_is_said_once_and_not_at_all_where_no_header_can_hold_it() -> None:
    assert sendable_warnings(["a", "b", "a", "", "c\r\nX: y", "\udc00"]) == ["a", "b"]


def test_too_many_are_cut_to_what_an_answer_can_hold() -> None:
    assert len(sendable_warnings(f'unknown field "{number}"' for number in range(1000))) == MAX_WARNINGS
    long = sendable_warnings(f"{number}" * 1000 for number in range(9))
    assert all(len(text) == MAX_WARNING for text in long)


@given(st.lists(st.text(max_size=600), max_size=80))
def test_the_limits_hold_for_any_warnings(texts: list[str]) -> None:
    sent = sendable_warnings(texts)
    assert len(sent) <= MAX_WARNINGS
    assert sum(map(len, sent)) <= MAX_WARNINGS_TOTAL
    assert all(text.isprintable() or "\n" not in text for text in sent)
