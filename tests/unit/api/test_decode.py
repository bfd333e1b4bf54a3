"""Decoding: the normal form, unknown and duplicate fields, wrong types."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import decode, schema
from kube_actors.api.decode import DecodeError, strict_error
from kube_actors.api.resources import BUILTIN, CONFIGMAPS, DEPLOYMENTS, NODES, PODS, Resource


def normal(resource: Resource, obj: Any) -> dict[str, Any]:
    return decode.decode(resource, json.dumps(obj).encode()).obj


def test_unknown_and_duplicate_fields_are_named_as_kubernetes_names_them() -> None:
    body = b'{"spec": {"unknownField": "x", "replicas": 1, "replicas": 2}}'
    decoded = decode.decode(DEPLOYMENTS, body)
    expected = 'strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"'
    assert strict_error(decoded.problems) == expected
    assert decoded.obj["spec"]["replicas"] == 2
    assert "unknownField" not in decoded.obj["spec"]


def test_unknown_fields_inside_lists_carry_their_index() -> None:
    body = {"spec": {"containers": [{"name": "a"}, {"name": "b", "bogus": 1}]}, "metadata": {"unknownMeta": 1}}
    problems = decode.decode(PODS, json.dumps(body, separators=(",", ":")).encode()).problems
    assert problems == ('unknown field "spec.containers[1].bogus"', 'unknown field "metadata.unknownMeta"')


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            '{"spec":{"hostNetwork":"yes"}}',
            "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
        ),
        (
            '{"spec":{"containers":[{"ports":[{"containerPort":"80"}]}]}}',
            "json: cannot unmarshal string into Go struct field "
            "ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        (
            '{"spec":{"containers":{}}}',
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            '{"metadata":{"labels":"x"}}',
            "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        ),
        (
            '{"spec":{"nodeSelector":{"a":1}}}',
            "json: cannot unmarshal number into Go struct field PodSpec.spec.nodeSelector of type string",
        ),
        ('{"spec":', "unexpected end of JSON input"),
        ("{nope}", "invalid character 'n' looking for beginning of object key string"),
        ("[]", "json: cannot unmarshal array into Go value of type v1.Pod"),
    ],
)
def test_a_wrong_type_is_refused_in_the_words_of_gos_decoder(body: str, text: str) -> None:
    with pytest.raises(DecodeError) as raised:
        decode.decode(PODS, body.encode())
    assert str(raised.value) == text


def test_a_broken_quantity_time_or_base64_is_refused() -> None:
    for resource, body, text in (
        (PODS, {"spec": {"containers": [{"resources": {"limits": {"cpu": "x"}}}]}}, "quantities must match"),
        (CONFIGMAPS, {"binaryData": {"b": "not base64!"}}, "illegal base64 data at input byte 3"),
        (PODS, {"metadata": {"creationTimestamp": "yesterday"}}, 'parsing time "yesterday"'),
    ):
        with pytest.raises(DecodeError) as raised:
            normal(resource, body)
        assert text in str(raised.value)


def test_empty_values_go_where_go_has_no_pointer_and_stay_where_it_has() -> None:
    spec = {"hostNetwork": False, "automountServiceAccountToken": False, "nodeSelector": {}, "hostname": ""}
    assert normal(PODS, {"spec": spec | {"containers": [{"name": "a", "image": None}]}})["spec"] == {
        "automountServiceAccountToken": False,
        "containers": [{"name": "a", "resources": {}}],
    }
    assert normal(DEPLOYMENTS, {"spec": {"replicas": 0}})["spec"]["replicas"] == 0


def test_structs_that_are_no_pointers_are_always_there() -> None:
    assert normal(PODS, {})["status"] == {}
    assert normal(NODES, {})["status"]["daemonEndpoints"] == {"kubeletEndpoint": {"Port": 0}}
    assert normal(DEPLOYMENTS, {})["spec"]["strategy"] == {}


def test_quantities_are_written_canonically() -> None:
    resources = {"limits": {"cpu": 0.5, "memory": "1024Mi"}, "requests": {"cpu": "100u"}}
    container = normal(PODS, {"spec": {"containers": [{"resources": resources}]}})["spec"]["containers"][0]
    assert container["resources"] == {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "1m"}}


@pytest.mark.parametrize("resource", list(BUILTIN), ids=lambda resource: f"{resource.api_version}/{resource.kind}")
def test_every_built_in_kind_has_a_schema_and_a_normal_form_that_is_stable(resource: Resource) -> None:
    assert schema.of(resource).properties["metadata"].name == "ObjectMeta"
    once = decode.convert(resource, {"kind": resource.kind, "apiVersion": resource.api_version}).obj
    assert decode.convert(resource, once).obj == once
    assert once["metadata"] == {}


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=10,
)
FIELDS = [
    ("spec",), ("metadata",), ("status",), ("spec", "containers"), ("spec", "volumes"), ("metadata", "labels"),
    ("spec", "affinity"), ("spec", "tolerations"), ("metadata", "ownerReferences"), ("spec", "securityContext"),
]  # fmt: skip


@given(st.sampled_from(FIELDS), json_values)
def test_any_json_either_decodes_stably_or_is_refused(path: tuple[str, ...], value: Any) -> None:
    for key in reversed(path):
        value = {key: value}
    try:
        once = normal(PODS, value)
    except DecodeError:
        return
    assert decode.convert(PODS, once).obj == once


@given(st.binary(max_size=40))
def test_any_bytes_either_decode_or_are_refused(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert isinstance(decode.decode(PODS, data).obj, dict)


def test_a_body_nested_too_deep_is_refused() -> None:
    body = b'{"metadata": {"annotations": ' + b'{"a": ' * 500 + b"1" + b"}" * 502
    with pytest.raises(DecodeError):
        decode.decode(CONFIGMAPS, body)
