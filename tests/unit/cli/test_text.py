"""Tables, documents, JSONPath, durations, Go's tabwriter."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kube_actors_cli import documents, durations, jsonpath, table, tabwriter
from kube_actors_cli.failure import Failure

POD: dict[str, Any] = {
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}, {"type": "X", "status": "No"}]},
    "items": [{"metadata": {"name": "a", "n": 1}}, {"metadata": {"name": "b", "annotations": {"x.y/z": "q"}}}],
}


def test_columns_are_as_wide_as_their_content_and_three_blanks_apart() -> None:
    rows = [["NAME", "READY", "AGE"], ["web-1", "1/1", "5s"], ["a-longer-name", "0/1", "10m"]]
    assert table.aligned(rows) == [
        "NAME            READY   AGE",
        "web-1           1/1     5s",
        "a-longer-name   0/1     10m",
    ]


def test_short_columns_have_at_least_six() -> None:
    assert table.aligned([["A", "B"], ["1", "2"]]) == ["A     B", "1     2"]


def test_later_rows_keep_the_widths_of_earlier_ones() -> None:
    assert table.aligned([["a", "b"]], [20]) == ["a" + " " * 19 + "b"]


def test_wide_columns_show_with_wide_and_namespaces_come_first() -> None:
    content = {
        "columnDefinitions": [{"name": "Name", "priority": 0}, {"name": "IP", "priority": 1}],
        "rows": [{"cells": ["web", "10.0.0.1"], "object": {"metadata": {"namespace": "demo", "labels": {"a": "b"}}}}],
    }
    assert table.rows_of([content], wide=False, namespaces=False) == [["NAME"], ["web"]]
    assert table.rows_of([content], wide=True, namespaces=True)[1] == ["demo", "web", "10.0.0.1"]
    assert table.rows_of([content], wide=False, namespaces=False, kind="pod", labels=True)[1] == ["pod/web", "a=b"]


def test_cells_are_printed_as_go_does() -> None:
    assert [table.cell_text(each) for each in (True, None, 3, ["a", "b"])] == ["true", "<nil>", "3", "[a b]"]


def test_columns_of_describe_are_elastic_per_block() -> None:
    lines = ["Name:\tweb", "Labels:\ta=b", "\tc=d", "IPs:", "  IP:\t1.2.3.4", "Controlled By:\tx"]
    assert tabwriter.align(lines) == [
        "Name:    web",
        "Labels:  a=b",
        "         c=d",
        "IPs:",
        "  IP:           1.2.3.4",
        "Controlled By:  x",
    ]


@given(st.lists(st.lists(st.text("ab", max_size=4), min_size=1, max_size=4), max_size=6))
def test_aligned_cells_stand_in_order_and_nothing_is_lost(rows: list[list[str]]) -> None:
    lines = tabwriter.align(["\t".join(row) for row in rows])
    assert [line.split() for line in lines] == [[cell for cell in row if cell] for row in rows]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("{.status.phase}", ["Running"]),
        ("status.phase", ["Running"]),
        ("{$.status.phase}", ["Running"]),
        ("{.items[*].metadata.name}", ["a", "b"]),
        ("{.items[1].metadata.name}", ["b"]),
        ("{.items[-1:].metadata.name}", ["b"]),
        ("{.items[0:1].metadata.name}", ["a"]),
        ("{.items[7].metadata.name}", []),
        ("{.status.conditions[?(@.type=='Ready')].status}", ["True"]),
        ('{.status.conditions[?(@.type!="Ready")].status}', ["No"]),
        ("{.items[?(@.metadata.n>0)].metadata.name}", ["a"]),
        (r"{.items[1].metadata.annotations.x\.y/z}", ["q"]),
        ("{.items[1].metadata.annotations['x.y/z']}", ["q"]),
        ("{.nowhere.at.all}", []),
    ],
)
def test_jsonpath_finds(expression: str, found: list[Any]) -> None:
    assert jsonpath.find(expression, POD) == found


def test_jsonpath_templates_have_text_and_ranges() -> None:
    template = '{range .items[*]}{.metadata.name}{"\\t"}x{"\\n"}{end}done: {.status.phase}'
    assert jsonpath.render(template, POD) == "a\tx\nb\tx\ndone: Running"
    assert jsonpath.render("{.items[*].metadata.name}", POD) == "a b"
    assert jsonpath.render("{.status.conditions[0]}", POD) == '{"status":"True","type":"Ready"}'


@pytest.mark.parametrize("template", ["{.a", "{.a[}", "{.a}}"])
def test_a_bad_jsonpath_is_one_line(template: str) -> None:
    with pytest.raises(Failure, match="error parsing jsonpath"):
        jsonpath.render(template, POD)


@given(st.text(max_size=12))
def test_a_jsonpath_is_rendered_or_refused(template: str) -> None:
    try:
        jsonpath.render(template, POD)
    except Failure as failure:
        assert failure.line.startswith("error: ")  # noqa: PT017


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=12),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    )
)
def test_yaml_that_is_printed_means_what_it_was(content: Any) -> None:
    assert yaml.safe_load(documents.to_yaml(content) + "\n") == content


def test_yaml_is_printed_as_kubectl_does() -> None:
    content = {"b": ["x", {"y": "1"}], "a": "line\nline\n", "c": "yes", "d": ""}
    assert documents.to_yaml(content) == 'a: |\n  line\n  line\nb:\n- x\n- "y": "1"\nc: "yes"\nd: ""'


def test_managed_fields_are_not_printed() -> None:
    obj = {"metadata": {"name": "a", "managedFields": [1]}}
    assert documents.shown(obj) == {"metadata": {"name": "a"}}
    assert documents.shown(obj, managed_fields=True) == obj


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1m30s", 90), ("2h", 7200), ("500ms", 0.5), ("7", 7), ("-1s", -1), ("0s", 0)]
)
def test_durations_are_gos(text: str, seconds: float) -> None:
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "1d", "1 m", "abc"])
def test_a_bad_duration_is_one_line(text: str) -> None:
    with pytest.raises(Failure, match="invalid duration"):
        durations.seconds(text)
