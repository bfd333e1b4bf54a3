"""Events of both groups."""

from __future__ import annotations

from typing import Any

import pytest

from kube_actors.api.resources import EVENTS, builtin
from kube_actors.api.validation import invalid, validate_update
from kube_actors.apiserver import versions
from tests.unit.api.objects import made, messages, patched

NEW_EVENTS = builtin("events.k8s.io/v1", "events")
NEW = {
    "metadata": {"name": "a"},
    "eventTime": "2026-01-01T00:00:00.000000Z",
    "reportingController": "example.com/c",
    "reportingInstance": "c-1",
    "action": "Doing",
    "reason": "Did",
    "type": "Normal",
    "regarding": {"kind": "Pod", "name": "p", "namespace": "default"},
}


def test_an_event_of_either_group_is_refused_as_one_of_the_core_group() -> None:
    for resource in (EVENTS, NEW_EVENTS):
        assert invalid(resource, "a", []).status()["details"] == {"kind": "Event", "name": "a"}


def test_an_event_without_a_time_lives_where_its_object_does() -> None:
    event = {"metadata": {"name": "a", "namespace": "n"}, "involvedObject": {"namespace": "m"}}
    assert messages(EVENTS, event) == ['involvedObject.namespace: Invalid value: "m": does not match event.namespace']
    assert messages(EVENTS, {"metadata": {"name": "a"}}) == []


@pytest.mark.parametrize(
    ("fields", "refusals"),
    [
        ({}, []),
        ({"regarding": {"namespace": "elsewhere"}}, []),
        ({"note": "x" * 1025, "action": ""},
         ["action: Required value", 'message: Invalid value: "": can have at most 1024 characters']),
        ({"series": {"count": 1}}, [
            'series.count: Invalid value: "": should be at least 2', "series.lastObservedTime: Required value",
        ]),
        ({"deprecatedCount": 1, "type": "Odd"}, [
            'type: Invalid value: "": has invalid value: Odd', 'count: Invalid value: "": needs to be unset',
        ]),
    ],
)  # fmt: skip
def test_an_event_of_the_new_sort_says_who_did_what(fields: dict[str, Any], refusals: list[str]) -> None:
    assert messages(NEW_EVENTS, {**NEW, **fields}) == refusals


def test_of_a_new_event_only_the_series_changes() -> None:
    old = made(NEW_EVENTS, NEW)
    series = {"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:00.000000Z"}}
    assert validate_update(NEW_EVENTS, patched(NEW_EVENTS, old, series), old) == []
    (cause,) = validate_update(NEW_EVENTS, patched(NEW_EVENTS, old, {"note": "other"}), old)
    assert (cause.field, cause.message) == ("message", 'Invalid value: "other": field is immutable')


def test_an_event_is_the_same_through_both_groups() -> None:
    new = made(NEW_EVENTS, {**NEW, "note": "n"})
    core = versions.to_stored(NEW_EVENTS, new)
    assert core["message"] == "n"
    assert core["reportingComponent"] == "example.com/c"
    assert core["source"] == {}
    assert core["firstTimestamp"] is None
    assert versions.from_stored(NEW_EVENTS, core) == new
