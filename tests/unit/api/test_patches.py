"""JSON patch, merge patch, strategic merge patch, and the patch of an apply."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import schema
from kube_actors.api.patch import (
    PatchError,
    json_patch,
    merge_diff,
    merge_patch,
    strategic_merge,
    three_way,
    three_way_merge,
)
from kube_actors.api.resources import CONFIGMAPS, DEPLOYMENTS, SERVICES

DEPLOYMENT = schema.of(DEPLOYMENTS)

# The examples of RFC 7386, appendix A.
RFC_7386 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

scalars = st.one_of(st.booleans(), st.integers(-3, 3), st.text("ab", max_size=2))
documents = st.recursive(
    st.dictionaries(st.text("abc", min_size=1, max_size=2), scalars, max_size=3),
    lambda inner: st.dictionaries(
        st.text("abc", min_size=1, max_size=2), st.one_of(inner, scalars, st.lists(scalars, max_size=2)), max_size=3
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7386)
def test_merge_patch_does_the_examples_of_the_rfc(target: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy(target)
    assert merge_patch(target, patch) == result
    assert target == before


@given(documents, documents)
def test_a_merge_diff_makes_the_new_out_of_the_old(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert merge_patch(old, merge_diff(old, new)) == new
    assert merge_diff(new, new) == {}


@pytest.mark.parametrize(
    ("document", "operations", "result"),
    [
        ({"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
        ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ({"a": 1}, [{"op": "replace", "path": "/missing", "value": 2}], {"a": 1, "missing": 2}),
        ({"a": {"b": 1}}, [{"op": "move", "from": "/a/b", "path": "/c"}], {"a": {}, "c": 1}),
        ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a/b": {"~": 1}}, [{"op": "replace", "path": "/a~1b/~0", "value": 2}], {"a/b": {"~": 2}}),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": 1}], {"a": 1}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ],
)
def test_json_patch_does_every_operation(document: Any, operations: Any, result: Any) -> None:
    before = copy.deepcopy(document)
    assert json_patch(document, operations) == result
    assert document == before


@pytest.mark.parametrize(
    "operations",
    [
        [{"op": "remove", "path": "/missing"}],
        [{"op": "test", "path": "/a", "value": "2"}],
        [{"op": "test", "path": "/flag", "value": 1}],
        [{"op": "add", "path": "/spec/deep/er", "value": 1}],
        [{"op": "add", "path": "/list/9", "value": 1}],
        [{"op": "frobnicate", "path": "/a"}],
        [{"op": "add", "path": "no-slash", "value": 1}],
        [{"op": "add", "path": "/a"}],
        ["nonsense"],
    ],
)
def test_a_json_patch_that_does_not_fit_is_refused(operations: Any) -> None:
    with pytest.raises(PatchError):
        json_patch({"a": 1, "flag": True, "list": []}, operations)


def deployment(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers)}}}}


def containers(obj: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = obj["spec"]["template"]["spec"]["containers"]
    return found


ONE = {"name": "one", "image": "img:1", "env": [{"name": "A", "value": "a"}], "ports": [{"containerPort": 80}]}
TWO = {"name": "two", "image": "img:2"}


def test_a_strategic_patch_merges_lists_by_their_merge_key() -> None:
    patch = deployment({"name": "two", "image": "img:22"}, {"name": "three", "image": "img:3"})
    merged = strategic_merge(DEPLOYMENT, deployment(ONE, TWO), patch)
    assert containers(merged) == [ONE, {"name": "two", "image": "img:22"}, {"name": "three", "image": "img:3"}]


def test_a_strategic_patch_merges_lists_within_lists_and_drops_nulls() -> None:
    patch = deployment({"name": "one", "env": [{"name": "A", "value": None}, {"name": "B", "value": "b"}]})
    merged = strategic_merge(DEPLOYMENT, deployment(ONE), patch)
    assert containers(merged)[0]["env"] == [{"name": "A"}, {"name": "B", "value": "b"}]
    assert containers(merged)[0]["image"] == "img:1"


def test_patch_replace_and_delete_work_on_maps_and_on_items() -> None:
    only = deployment(dict(TWO, image="x"), {"$patch": "replace"})
    replaced = strategic_merge(DEPLOYMENT, deployment(ONE, TWO), only)
    assert containers(replaced) == [{"name": "two", "image": "x"}]
    deleted = strategic_merge(DEPLOYMENT, deployment(ONE, TWO), deployment({"name": "one", "$patch": "delete"}))
    assert containers(deleted) == [TWO]
    labels = strategic_merge(
        DEPLOYMENT, {"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"$patch": "replace", "c": "3"}}}
    )
    assert labels["metadata"]["labels"] == {"c": "3"}


def test_set_element_order_orders_what_it_names_and_keeps_the_rest_in_place() -> None:
    patch = deployment({"name": "zero", "image": "img:0"})
    patch["spec"]["template"]["spec"]["$setElementOrder/containers"] = [
        {"name": "two"}, {"name": "zero"}, {"name": "one"},
    ]  # fmt: skip
    merged = strategic_merge(DEPLOYMENT, deployment(ONE, TWO), patch)
    assert [container["name"] for container in containers(merged)] == ["two", "zero", "one"]


def test_lists_of_scalars_are_merged_as_sets_and_taken_from() -> None:
    obj = {"metadata": {"finalizers": ["x/one", "x/two"]}}
    node = schema.of(CONFIGMAPS)
    added = strategic_merge(node, obj, {"metadata": {"finalizers": ["x/three", "x/one"]}})
    assert sorted(added["metadata"]["finalizers"]) == ["x/one", "x/three", "x/two"]
    taken = strategic_merge(node, obj, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/two"]}})
    assert taken["metadata"]["finalizers"] == ["x/one"]


def test_retain_keys_drops_the_members_that_it_does_not_list() -> None:
    obj = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_merge(DEPLOYMENT, obj, patch)["spec"]["strategy"] == {"type": "Recreate"}


def test_a_list_without_the_strategy_merge_is_replaced() -> None:
    obj = {"spec": {"template": {"spec": {"tolerations": [{"key": "a"}]}}}}
    patch = {"spec": {"template": {"spec": {"tolerations": [{"key": "b"}]}}}}
    merged = strategic_merge(DEPLOYMENT, obj, patch)
    assert merged["spec"]["template"]["spec"]["tolerations"] == [{"key": "b"}]


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        (deployment({"image": "nameless"}), "map: map[image:nameless] does not contain declared merge key: name"),
        ({"spec": {"$patch": "sideways"}}, "unknown patch type: sideways in map: map[$patch:sideways]"),
    ],
)
def test_a_broken_strategic_patch_gets_kubernetes_text(patch: Any, text: str) -> None:
    with pytest.raises(PatchError) as raised:
        strategic_merge(DEPLOYMENT, deployment(ONE) | {"metadata": {}}, patch)
    assert str(raised.value) == text
    assert raised.value.internal


def test_a_strategic_patch_leaves_its_arguments_alone() -> None:
    obj, patch = deployment(copy.deepcopy(ONE)), deployment({"name": "one", "image": "x", "ports": None})
    before = copy.deepcopy((obj, patch))
    strategic_merge(DEPLOYMENT, obj, patch)
    assert (obj, patch) == before


images = st.sampled_from(["a", "b", "c"])
container_lists = st.lists(
    st.builds(
        lambda name, image, env: {"name": name, "image": image, **({"env": env} if env else {})},
        st.sampled_from(["one", "two", "three"]),
        images,
        st.lists(
            st.fixed_dictionaries({"name": st.sampled_from("AB"), "value": images}),
            max_size=2,
            unique_by=lambda item: item["name"],
        ),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda item: item["name"],
)
manifests = st.builds(
    lambda items, labels: {"metadata": {"labels": labels}, **deployment(*items)},
    container_lists,
    st.dictionaries(st.sampled_from("xyz"), images, min_size=1, max_size=2),
)


@given(manifests, manifests, manifests)
def test_an_apply_reaches_the_manifest_and_the_next_one_is_empty(original: Any, modified: Any, current: Any) -> None:
    patch = three_way(original, modified, current, DEPLOYMENT)
    result = strategic_merge(DEPLOYMENT, current, patch)
    for wanted in containers(modified):
        found = next(item for item in containers(result) if item["name"] == wanted["name"])
        assert found["image"] == wanted["image"]
    assert modified["metadata"]["labels"].items() <= result["metadata"]["labels"].items()
    assert three_way(modified, modified, result, DEPLOYMENT) == {}


def test_an_apply_removes_what_it_applied_before_and_keeps_what_the_server_added() -> None:
    original = {"spec": {"ports": [{"port": 1}, {"port": 2}], "selector": {"a": "b"}}}
    current = copy.deepcopy(original) | {}
    current["spec"]["clusterIP"] = "10.0.0.1"  # type: ignore[assignment]
    modified = {"spec": {"ports": [{"port": 2}]}}
    patch = three_way(original, modified, current, schema.of(SERVICES))
    result = strategic_merge(schema.of(SERVICES), current, patch)
    assert result == {"spec": {"ports": [{"port": 2}], "clusterIP": "10.0.0.1"}}


def test_an_apply_of_a_custom_resource_is_a_merge_patch() -> None:
    original = {"spec": {"a": 1, "b": [1]}}
    modified = {"spec": {"b": [2]}}
    current = {"spec": {"a": 1, "b": [1], "c": 3}}
    patch = three_way_merge(original, modified, current)
    assert patch == {"spec": {"a": None, "b": [2]}}
    assert merge_patch(current, patch) == {"spec": {"b": [2], "c": 3}}
