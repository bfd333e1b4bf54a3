"""What errors of patches show: the patched object in Go's order, fields given twice, the converter's words."""

from __future__ import annotations

import json

import pytest

from kube_actors.api import decode
from kube_actors.api.patch import shown
from kube_actors.api.resources import DEPLOYMENTS, PODS, Resource

POD = {
    "spec": {
        "restartPolicy": "Always",
        "initContainers": [],
        "containers": [{"imagePullPolicy": "Always", "terminationMessagePolicy": "File", "name": "c", "image": "i"}],
        "volumes": [],
    },
    "metadata": {"labels": {"b": "1", "a": "1"}, "uid": "u", "name": "p"},
    "kind": "Pod",
    "apiVersion": "v1",
}


def test_what_a_patch_takes_apart_is_sorted_and_the_rest_is_in_the_order_of_go():
    text = shown.shown(PODS, POD, {"metadata": {}})
    assert list(json.loads(text)) == ["apiVersion", "kind", "metadata", "spec"]
    assert list(json.loads(text)["metadata"]) == ["labels", "name", "uid"]
    assert list(json.loads(text)["metadata"]["labels"]) == ["a", "b"]
    assert list(json.loads(text)["spec"]) == ["volumes", "initContainers", "containers", "restartPolicy"]
    container = json.loads(text)["spec"]["containers"][0]
    assert list(container) == ["name", "image", "terminationMessagePolicy", "imagePullPolicy"]
    assert list(json.loads(shown.shown(PODS, POD, {}))["metadata"]) == ["name", "uid", "labels"]


def test_custom_resources_are_sorted_throughout():
    custom = Resource("example.com", "v1", "things", "Thing", True, custom=True)
    assert shown.shown(custom, {"spec": {"b": {"d": 1, "c": 2}, "a": 1}}, {}) == '{"spec":{"a":1,"b":{"c":2,"d":1}}}'


def test_patches_tell_what_they_take_apart():
    assert shown.touched_by_merge({"spec": {"a": {"b": 1}, "c": []}, "d": None}) == {"spec": {"a": {}}}
    operations = [{"op": "move", "from": "/spec/x~1y/z", "path": "/metadata/labels"}, {"op": "test", "path": 5}]
    assert shown.touched_by_operations(operations) == {"spec": {"x/y": {}}, "metadata": {}}


def test_fields_given_twice_are_found():
    text = b'{"spec":{"replicas":2,"replicas":3,"l":[{"a":1,"a":2}]}}'
    assert decode.duplicates(text, json.loads(text)) == [
        'duplicate field "spec.replicas"',
        'duplicate field "spec.l[0].a"',
    ]
    assert decode.duplicates(b'{"a": 1}', {"a": 1}) == []


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"replicas": "many"}, "unrecognized type: int32"),
        ({"template": {"spec": {"containers": "c"}}}, "cannot restore slice from string"),
        ({"template": {"spec": {"nodeSelector": []}}}, "cannot restore map from slice"),
        ({"template": 5}, "cannot restore struct from: int64"),
    ],
)
def test_parsed_objects_are_refused_in_the_words_of_the_converter(spec, text):
    with pytest.raises(decode.DecodeError) as refusal:
        decode.convert(DEPLOYMENTS, {"spec": spec})
    assert refusal.value.restoring == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"nonsense", "invalid character 'o' in literal null (expecting 'u')"),
        (b"t'", "invalid character '\\'' in literal true (expecting 'r')"),
        (b"fal", "unexpected end of JSON input"),
    ],
)
def test_words_that_are_no_literals_are_told_as_go_tells_them(body, text):
    with pytest.raises(decode.DecodeError) as refusal:
        decode.parse(body)
    assert str(refusal.value) == text
