"""Sets of fields against Python's own sets of paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api.managed import fields

_element = st.sampled_from(["f:a", "f:b", 'k:{"name":"c"}', 'v:"x"'])
_path = st.lists(_element, min_size=1, max_size=3).map(tuple)
_paths = st.frozensets(_path, max_size=8)


def _set(paths):
    found = {}
    for path in paths:
        found = fields.union(found, fields.of_path(*path))
    return found


def _members(node, path=()):
    for key, inner in node.items():
        if key == ".":
            yield path
        elif not inner:
            yield (*path, key)
        else:
            yield from _members(inner, (*path, key))


def _as_paths(node):
    return frozenset(_members(node))


@given(_paths)
def test_a_set_holds_what_was_put_in(paths):
    assert _as_paths(_set(paths)) == paths


@given(_paths, _paths)
def test_the_algebra_is_that_of_sets(left, right):
    a, b = _set(left), _set(right)
    assert _as_paths(fields.union(a, b)) == left | right
    assert _as_paths(fields.intersection(a, b)) == left & right
    assert _as_paths(fields.difference(a, b)) == left - right
    assert fields.difference(a, b) == _set(left - right)


@given(_paths, _paths)
def test_without_takes_what_is_below_along(left, right):
    kept = {path for path in left if not any(path[: len(gone)] == gone for gone in right)}
    assert _as_paths(fields.without(_set(left), _set(right))) == kept


@given(_paths, _paths)
def test_no_operation_changes_what_it_is_given(left, right):
    a, b = _set(left), _set(right)
    for operation in (fields.union, fields.intersection, fields.difference, fields.without):
        operation(a, b)
    assert (a, b) == (_set(left), _set(right))


@given(_paths)
def test_a_set_in_another_form_is_brought_into_the_right_one(paths):
    def spread(node):
        return {key: spread(inner) if inner else {".": {}} for key, inner in node.items() if key != "."} | (
            {".": {}} if "." in node else {}
        )

    assert fields.normal(spread(_set(paths))) == _set(paths)


@pytest.mark.parametrize("bad", [[], {"x": {}}, {"f:a": 1}, {"q:a": {}}])
def test_what_is_no_set_is_refused(bad):
    with pytest.raises(ValueError):
        fields.normal(bad)


def test_paths_are_shown_as_conflicts_show_them():
    found = {"f:spec": {"f:containers": {'k:{"name":"c","port":80}': {".": {}, "f:image": {}}}, "f:set": {'v:"x"': {}}}}
    assert list(fields.paths(found)) == [
        '.spec.containers[name="c",port=80]',
        '.spec.containers[name="c",port=80].image',
        '.spec.set[="x"]',
    ]
