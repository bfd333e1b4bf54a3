"""Applying and tracking, as laws that hold for any configuration."""

from __future__ import annotations

import contextlib
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import errors, managed
from kube_actors.api.managed import Writer, entries, shapes, typed
from kube_actors.api.managed.compare import compare
from kube_actors.api.resources import builtin

PODS = builtin("v1", "pods")
SHAPE = shapes.of(PODS)
EMPTY = {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"containers": None}}
NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


class OneVersion:
    change = False

    def shape(self, api_version):
        return SHAPE if api_version == "v1" else None

    def empty(self, api_version):
        return EMPTY

    def convert(self, obj, api_version):
        return obj


TYPES = OneVersion()


def _writer(name, time=NOW):
    return Writer(name, "v1", time)


def _apply(live, config, name="a", *, force=False, time=NOW):
    return managed.apply(TYPES, live, {**config, "apiVersion": "v1", "kind": "Pod"}, _writer(name, time), force=force)


def _created(obj, name="creator"):
    new = {"apiVersion": "v1", "kind": "Pod", **copy.deepcopy(obj)}
    managed.track(TYPES, None, new, _writer(name))
    new["metadata"]["uid"] = "u"
    return new


_word = st.sampled_from(["x", "y", "z"])
_env = st.lists(
    st.builds(lambda n, v: {"name": n, "value": v}, _word, _word), min_size=1, max_size=2, unique_by=lambda e: e["name"]
)
_ports = st.lists(
    st.builds(lambda p: {"containerPort": p}, st.integers(1, 4)),
    min_size=1,
    max_size=2,
    unique_by=lambda e: e["containerPort"],
)


def _container(names):
    return st.fixed_dictionaries(
        {"name": names},
        optional={"image": _word, "env": _env, "ports": _ports, "args": st.lists(_word, min_size=1, max_size=2)},
    )


def _configs(prefix=""):
    names = _word.map(lambda word: prefix + word)
    containers = st.lists(_container(names), min_size=1, max_size=3, unique_by=lambda one: one["name"])
    metadata = st.fixed_dictionaries(
        {"name": st.just("p")},
        optional={
            "labels": st.dictionaries(names, _word, min_size=1, max_size=3),
            "finalizers": st.lists(names, min_size=1, max_size=2, unique=True),
        },
    )
    return st.fixed_dictionaries(
        {"metadata": metadata},
        optional={"spec": st.fixed_dictionaries({}, optional={"containers": containers})},
    )


def _plain(value):
    """Without order where order means nothing, without managedFields and what is empty."""
    if isinstance(value, dict):
        inner = {key: _plain(item) for key, item in sorted(value.items()) if key != "managedFields"}
        return {key: item for key, item in inner.items() if item not in (None, {}, [])}
    if isinstance(value, list):
        return sorted(map(_plain, value), key=str)
    return value


def _managers(obj):
    return {one["manager"]: one for one in obj["metadata"].get("managedFields", ())}


@given(_configs(), _configs())
def test_applying_twice_changes_nothing(base, config):
    once = _apply(_created(base), config, force=True)
    twice = _apply(once, config, time=LATER)
    managed.settle(once, twice)
    assert twice == once


@given(_configs(), _configs("own-"))
def test_what_was_applied_goes_when_it_is_applied_no_more(base, config):
    live = _created(base)
    applied = _apply(live, config)
    left = _apply(applied, {"metadata": {"name": "p"}})
    assert _plain(left) == _plain(live)
    assert "a" not in _managers(left)


@given(_configs(), _configs("other-"))
def test_managers_of_different_fields_never_conflict_and_order_does_not_matter(one, other):
    live = _created({"metadata": {"name": "p"}})
    both = _apply(_apply(live, one, "a"), other, "b")
    reverse = _apply(_apply(live, other, "b"), one, "a")
    assert _plain(both) == _plain(reverse)
    assert both["metadata"].get("managedFields") == reverse["metadata"].get("managedFields")


@given(_configs())
def test_two_managers_may_share_what_both_say_and_it_stays_while_one_says_it(config):
    live = _created({"metadata": {"name": "p"}})
    shared = _apply(_apply(live, config, "a"), config, "b")
    left = _apply(shared, {"metadata": {"name": "p"}}, "a")
    assert _plain(left) == _plain(shared)
    assert "a" not in _managers(left)


@given(_configs(), _configs())
def test_force_gives_the_applied_values_and_takes_them_from_others(base, config):
    live = _created(base)
    forced = _apply(live, config, force=True)
    for name, value in config["metadata"].get("labels", {}).items():
        assert forced["metadata"]["labels"][name] == value
    again = _apply(forced, config)
    assert _plain(again) == _plain(forced)


@given(_configs(), _configs())
def test_an_update_owns_what_it_changed_and_only_that(base, wanted):
    live = _created({**base, "spec": {"containers": [], "hostname": "always-owned"}})
    new = {**copy.deepcopy(wanted), "spec": {"containers": [], "hostname": "always-owned"}}
    managed.track(TYPES, live, new, _writer("updater", LATER))
    mine = _managers(new).get("updater")
    owned = {} if mine is None else mine["fieldsV1"].get("f:metadata", {}).get("f:labels", {})
    before, after = (one["metadata"].get("labels", {}) for one in (base, wanted))
    assert {key[2:] for key in owned if key != "."} == {key for key in after if before.get(key) != after[key]}


def test_conflicts_are_told_in_kubernetes_words():
    live = _created(
        {"metadata": {"name": "p", "labels": {"x": "1"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    )
    config = {"metadata": {"labels": {"x": "2"}}, "spec": {"containers": [{"name": "c", "image": "j"}]}}
    with pytest.raises(errors.Conflict) as refusal:
        _apply(live, config)
    assert refusal.value.message == (
        'Apply failed with 2 conflicts: conflicts with "creator" using v1:\n'
        '- .metadata.labels.x\n- .spec.containers[name="c"].image'
    )
    assert [cause.field for cause in refusal.value.causes] == [".metadata.labels.x", '.spec.containers[name="c"].image']


def test_atomic_lists_are_owned_as_one():
    live = _created({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "args": ["1", "2"]}]}})
    with pytest.raises(errors.Conflict, match=r"\.args$"):
        _apply(live, {"metadata": {}, "spec": {"containers": [{"name": "c", "args": ["1"]}]}})


def test_ports_are_told_apart_by_number_and_protocol_which_is_tcp_by_default():
    config = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 53}]}]}}
    first = _apply(None, config)
    udp = {"containerPort": 53, "protocol": "UDP"}
    second = _apply(first, {"metadata": {}, "spec": {"containers": [{"name": "c", "ports": [udp]}]}}, "b")
    assert second["spec"]["containers"][0]["ports"] == [{"containerPort": 53}, udp]


def test_kubectl_goes_on_from_what_it_applied_from_the_client():
    note = '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"x":"1"}}}'
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": note}
    live = _created(
        {"metadata": {"name": "p", "labels": {"x": "1"}, "annotations": annotations}}, "kubectl-client-side-apply"
    )
    changed = _apply(live, {"metadata": {"name": "p", "labels": {"x": "2"}}}, "kubectl")
    assert changed["metadata"]["labels"] == {"x": "2"}
    assert '"x":"2"' in changed["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
    with pytest.raises(errors.Conflict):
        _apply(live, {"metadata": {"name": "p", "labels": {"x": "2"}}}, "argo")


def test_an_empty_list_makes_an_object_untracked_until_somebody_applies():
    live = _created({"metadata": {"name": "p", "labels": {"x": "1"}}})
    reset = {"metadata": {"name": "p", "uid": "u", "labels": {"x": "1"}, "managedFields": []}}
    managed.track(TYPES, live, reset, _writer("me"))
    assert "managedFields" not in reset["metadata"]
    later = {"metadata": {"name": "p", "uid": "u", "labels": {"x": "2"}}}
    managed.track(TYPES, reset, later, _writer("me"))
    assert "managedFields" not in later["metadata"]
    applied = _apply({**later, "apiVersion": "v1", "kind": "Pod"}, {"metadata": {"name": "p", "labels": {"y": "1"}}})
    assert set(_managers(applied)) == {"a", "before-first-apply"}


def test_the_oldest_of_many_updaters_become_one():
    managers = {
        entries.Manager(f"m{number:02}", "Update", "v1"): entries.Owned(
            "v1", {f"f:{number}": {}}, f"2026-01-{number + 1:02}T00:00:00Z"
        )
        for number in range(14)
    }
    left = entries.capped(managers)
    assert len(left) == entries.MAX_UPDATERS
    bucket = left[entries.Manager("ancient-changes", "Update", "v1")]
    assert bucket.fields == {f"f:{number}": {} for number in range(5)}
    assert bucket.time == "2026-01-05T00:00:00Z"


def test_entries_come_back_as_they_were_written():
    obj = _apply(_created({"metadata": {"name": "p", "labels": {"x": "1"}}}), {"metadata": {"labels": {"y": "1"}}})
    written = obj["metadata"]["managedFields"]
    assert entries.encode(entries.decode(written)) == written
    assert entries.checked(written) == written


def test_a_version_that_is_served_no_more_loses_its_managers():
    live = _created({"metadata": {"name": "p", "labels": {"x": "1"}}})
    live["metadata"]["managedFields"][0]["apiVersion"] = "v0"
    applied = _apply(live, {"metadata": {"labels": {"x": "2"}}})
    assert set(_managers(applied)) == {"a"}


def test_parts_of_what_became_one_value_become_that_value():
    before = {"f:spec": {"f:containers": {'k:{"name":"c"}': {"f:args": {'v:"x"': {}}, "f:image": {}}}}, "f:free": {}}
    after = {"f:spec": {"f:containers": {'k:{"name":"c"}': {"f:args": {}, "f:image": {}}}}, "f:free": {}}
    assert typed.made_atomic(SHAPE, before) == after


def test_what_nobody_declared_is_merged_by_its_values():
    custom = builtin("v1", "pods")
    shape = shapes.of(type(custom)("example.com", "v1", "things", "Thing", True, custom=True))
    found = compare(shape, {"metadata": {}}, {"metadata": {}, "spec": {"a": {"b": 1}, "list": [{"c": 1}]}})
    assert found.added == {"f:spec": {".": {}, "f:a": {".": {}, "f:b": {}}, "f:list": {}}}


_names = st.sampled_from(
    ["name", "labels", "finalizers", "containers", "ports", "containerPort", "env", "args", "fieldsV1", "operation"]
)
_anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_names | st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(_anything, _anything, _anything)
def test_nonsense_is_refused_and_breaks_nothing(metadata, spec, entries_given):
    config = {"metadata": metadata, "spec": spec}
    with contextlib.suppress(errors.ApiError):
        _apply(_created({"metadata": {"name": "p", "labels": {"x": "1"}}}), config)
    new = {"metadata": {"name": "p", "managedFields": entries_given}, "spec": {"hostname": "h"}}
    managed.track(TYPES, _created({"metadata": {"name": "p"}}), new, _writer("m"))
    managed.track(TYPES, None, {**new, "metadata": {"name": "p", "managedFields": [entries_given]}}, _writer("m"))
