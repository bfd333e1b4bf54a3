"""Label and field selectors: grammar, texts, matching."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api.selectors import FieldSelector, LabelSelector, Selector

names = st.text("abz09", min_size=1, max_size=3)
values = st.one_of(st.just(""), names)
labels = st.dictionaries(names, values, max_size=4)
expressions = st.one_of(
    st.fixed_dictionaries(
        {"key": names, "operator": st.sampled_from(["In", "NotIn"]), "values": st.lists(values, min_size=1, max_size=3)}
    ),
    st.fixed_dictionaries({"key": names, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
selectors = st.fixed_dictionaries({"matchLabels": labels, "matchExpressions": st.lists(expressions, max_size=3)})


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("a=b", {"a": "b"}, {"a": "c"}),
        ("a==b", {"a": "b"}, {}),
        ("a!=b", {}, {"a": "b"}),
        ("a in (x, y)", {"a": "y"}, {"a": "z"}),
        ("a notin (x,y)", {}, {"a": "x"}),
        ("a", {"a": ""}, {"b": ""}),
        ("!a", {"b": "c"}, {"a": "c"}),
        ("n>5", {"n": "6"}, {"n": "5"}),
        ("n<5", {"n": "-6"}, {"n": "x"}),
        ("a=b,c", {"a": "b", "c": "d"}, {"a": "b"}),
        ("example.com/a=b", {"example.com/a": "b"}, {"a": "b"}),
        ("a=", {"a": ""}, {"a": "b"}),
    ],
)
def test_a_label_selector_selects_what_its_text_says(
    text: str, matching: dict[str, str], other: dict[str, str]
) -> None:
    selector = LabelSelector.parse(text)
    assert selector.matches(matching)
    assert not selector.matches(other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a=not valid!", "found 'valid', expected: ',' or 'end of string'"),
        ("n>many", "values[0]: Invalid value: \"many\": for 'Gt', 'Lt' operators, the value must be an integer"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("-bad-", 'unable to parse requirement: <nil>: Invalid value: "-bad-": name part must consist of'),
    ],
)
def test_a_broken_label_selector_gets_kubernetes_text(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        LabelSelector.parse(text)
    assert message in str(raised.value)


def test_no_selector_object_selects_nothing_and_an_empty_one_everything() -> None:
    assert not LabelSelector.from_object(None).matches({"a": "b"})
    assert LabelSelector.from_object({}).matches({"a": "b"})
    assert Selector.everything().matches(None)
    assert not Selector.nothing().matches({})
    assert LabelSelector.from_object({}).is_everything


def test_a_selector_object_is_printed_as_a_query() -> None:
    value = {
        "matchLabels": {"a": "b"},
        "matchExpressions": [
            {"key": "zz", "operator": "DoesNotExist"},
            {"key": "c", "operator": "NotIn", "values": ["r", "q"]},
        ],
    }
    assert str(LabelSelector.from_object(value)) == "a=b,c notin (q,r),!zz"


@given(selectors, labels)
def test_a_selector_means_the_same_after_it_was_printed_and_read(value: dict, candidate: dict[str, str]) -> None:  # type: ignore[type-arg]
    selector = LabelSelector.from_object(value)
    assert LabelSelector.parse(str(selector)).matches(candidate) == selector.matches(candidate)


def test_field_selectors_compare_and_escape() -> None:
    selector = FieldSelector.parse("metadata.name=a,status.phase!=Running,spec.x==b\\,c")
    assert selector.matches({"metadata.name": "a", "status.phase": "Pending", "spec.x": "b,c"})
    assert not selector.matches({"metadata.name": "a", "status.phase": "Running", "spec.x": "b,c"})
    assert selector.exact("metadata.name") == "a"
    assert selector.exact("status.phase") is None
    assert str(selector) == "metadata.name=a,status.phase!=Running,spec.x=b\\,c"
    assert FieldSelector.parse("").is_everything


def test_a_field_selector_without_an_operator_is_refused() -> None:
    with pytest.raises(ValueError, match="invalid selector: 'abc'; can't understand 'abc'"):
        FieldSelector.parse("abc")
