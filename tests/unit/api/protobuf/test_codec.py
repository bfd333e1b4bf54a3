"""The codec on bytes made by hand, on what it must drop, and on bytes that are no message."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_actors.api import resources, schema
from kube_actors.api.decode import convert
from kube_actors.api.protobuf import decoder, encoder, envelope, table
from kube_actors.api.protobuf.wire import WireError, grouped, signed, varint

# k8s\0, Unknown{typeMeta{v1, ConfigMap}, raw = ConfigMap{metadata{name: a, creationTimestamp {}}, data{k: v}}}
CONFIGMAP = bytes.fromhex(
    "6b387300 0a0f 0a027631 1209436f6e6669674d6170 120f 0a05 0a0161 4200 1206 0a016b 120176 1a00 2200"
)
POD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "a", "creationTimestamp": "2025-01-02T03:04:05Z", "labels": {"b": "2", "a": "1"}},
    "spec": {
        "initContainers": [{"name": "first", "image": "i"}],
        "containers": [
            {
                "name": "c",
                "resources": {"limits": {"cpu": "100m"}},
                "livenessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 5},
                "envFrom": [{"configMapRef": {"name": "x", "optional": False}}],
            }
        ],
        "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "configMap": {"name": "m", "defaultMode": 420}}],
        "automountServiceAccountToken": False,
        "hostNetwork": True,
    },
    "status": {"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}], "hostIPs": [{"ip": "4.3.2.1"}]},
}


def test_bytes_made_by_hand_are_read_and_written():
    obj = envelope.decode(CONFIGMAP)
    assert obj == {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "v"}}
    # The empty time is not written again.
    assert envelope.encode(obj) == CONFIGMAP.replace(
        bytes.fromhex("120f0a050a01614200"), bytes.fromhex("120d0a030a0161")
    )


def test_embedded_structs_ties_and_pointers_are_right():
    assert envelope.decode(envelope.encode(POD)) == POD
    spec = grouped(encoder.encode("core.v1.PodSpec", POD["spec"]))
    assert grouped(spec[2][0])[1] == [b"c"]
    assert grouped(spec[20][0])[1] == [b"first"]
    assert (spec[11], spec[21]) == ([1], [0])
    volume = grouped(spec[1][1])
    assert grouped(grouped(volume[2][0])[19][0])[1] == [bytes.fromhex("0a016d")]


def test_zeros_that_json_leaves_out_are_left_out_and_those_of_pointers_stay():
    zeros = encoder.encode("core.v1.PodSpec", {"hostNetwork": False, "nodeName": "", "enableServiceLinks": False})
    assert decoder.decode("core.v1.PodSpec", zeros) == {"enableServiceLinks": False}
    assert decoder.decode("core.v1.ContainerPort", b"\x0a\x00\x10\x00\x18\x50") == {"containerPort": 80}


def test_numbers_keep_their_sign_and_size():
    for number in (0, 1, -1, 127, 128, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)):
        data = encoder.encode("core.v1.PodSpec", {"terminationGracePeriodSeconds": number})
        assert decoder.decode("core.v1.PodSpec", data) == {"terminationGracePeriodSeconds": number}
        assert signed(grouped(data)[4][0]) == number
    assert decoder.decode("apps.v1.DeploymentSpec", b"\x08" + varint(3)) == {"replicas": 3}


def test_schemas_of_custom_resources_keep_their_unions():
    schema_ = {
        "type": "object",
        "properties": {
            "a": {"additionalProperties": False, "minimum": 0.5, "maximum": 3},
            "b": {"additionalProperties": {"type": "string"}, "default": {"x": [1, None]}, "enum": [None, 1, "a"]},
            "c": {"items": {"type": "string"}, "not": {"required": ["z"]}},
            "d": {"items": [{"type": "string"}, {}], "dependencies": {"p": ["q"], "r": {"type": "integer"}}},
        },
    }
    name = "apiextensions.v1.JSONSchemaProps"
    assert decoder.decode(name, encoder.encode(name, schema_)) == schema_


def test_lists_of_messages_in_maps_are_messages_of_their_own():
    spec = {"user": "u", "extra": {"scopes": ["a", "b"], "none": []}}
    data = encoder.encode("authorization.v1.SubjectAccessReviewSpec", spec)
    assert decoder.decode("authorization.v1.SubjectAccessReviewSpec", data) == spec


def test_repeated_numbers_are_read_packed_and_not_packed():
    ports = {"supplementalGroups": [1, 300]}
    number = next(row.number for row in table.shape("core.v1.PodSecurityContext").rows if row.name in ports)
    plain = encoder.encode("core.v1.PodSecurityContext", ports)
    packed = varint(number << 3 | 2) + b"\x03" + varint(1) + varint(300)
    assert decoder.decode("core.v1.PodSecurityContext", plain) == ports
    assert decoder.decode("core.v1.PodSecurityContext", packed) == ports


def test_every_built_in_kind_has_a_form_with_every_field_of_its_schema():
    seen, waiting = set(), []
    for resource in resources.BUILTIN:
        name = table.message_of(resource.api_version, resource.kind)
        assert name is not None, resource
        waiting.append((name, schema.of(resource)))
    while waiting:
        name, node = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        rows = _rows(table.shape(name))
        expected = set(node.properties) - {"kind", "apiVersion"}
        assert expected <= {row.name for row in rows} | _typed(node), (name, expected - {row.name for row in rows})
        for row in rows:
            child = node.properties.get(row.name)
            while child is not None and (child.items or child.additional):
                child = child.items or child.additional
            if "." in row.kind and child is not None:
                waiting.append((row.kind.lstrip("[]{}"), child))


def _rows(shape: table.Shape) -> list[table.Row]:
    return [*shape.rows, *(row for inner in shape.embedded.values() for row in _rows(inner))]


def _typed(node: schema.SchemaNode) -> set[str]:
    """kind and apiVersion are type metadata of kinds only; elsewhere they are fields like any other."""
    return {"kind", "apiVersion"} if "metadata" in node.properties else set()


def test_kinds_of_meta_belong_to_every_group_and_custom_ones_have_no_form():
    assert table.message_of("apps/v1", "DeleteOptions") == "meta.v1.DeleteOptions"
    assert envelope.known("apps/v1", "DeploymentList")
    assert not envelope.known("example.com/v1", "Widget")
    assert not envelope.known("example.com/v1", "Pod")
    with pytest.raises(ValueError, match="has no protobuf form"):
        envelope.encode({"kind": "Widget", "apiVersion": "example.com/v1"})


def test_a_body_without_kind_is_of_the_kind_that_was_asked_for():
    body = envelope.wrapped("", "", b"\x0a\x03\x0a\x01a")
    assert envelope.decode(body, "v1", "Secret") == {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "empty data"),
        (b"k8s", "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"),
        (envelope.MAGIC + b"\x12\x7f", "unexpected EOF"),
        (envelope.wrapped("v1", "Pod", b"\x08\x01"), "proto: wrong wireType = 0 for field Metadata"),
        (envelope.wrapped("v1", "Pod", b"\x00\x01"), "proto: illegal tag 0 (wire type 0)"),
        (envelope.wrapped("v1", "Pod", b"\x5b"), "proto: illegal wireType 3"),
        (envelope.wrapped("v1", "Pod", b"\x80" * 11), "proto: integer overflow"),
        (envelope.wrapped("v1", "Pod", b"\x0a"), "unexpected EOF"),
    ],
)
def test_what_is_no_object_is_refused_with_gos_words(body: bytes, text: str):
    with pytest.raises(envelope.DecodeError) as refusal:
        envelope.decode(body)
    assert str(refusal.value) == text


def test_unknown_fields_are_passed_over():
    data = encoder.encode("core.v1.PodSpec", {"nodeName": "n"})
    for unknown in (b"\xf8\x07\x01", b"\xfa\x07\x01x", b"\xf9\x07" + bytes(8), b"\xfd\x07" + bytes(4)):
        assert decoder.decode("core.v1.PodSpec", unknown + data + unknown) == {"nodeName": "n"}


def test_nesting_is_bounded():
    data = b""
    for _ in range(200):
        data = encoder.sized(28, data)
    with pytest.raises(WireError, match="exceeded max depth"):
        decoder.decode("apiextensions.v1.JSONSchemaProps", data)


def test_a_frame_of_a_watch_is_its_length_and_an_event():
    frame = envelope.watch_frame("ADDED", CONFIGMAP)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    event = grouped(frame[4:])
    assert (event[1], grouped(event[2][0])[1]) == ([b"ADDED"], [CONFIGMAP])


def test_bytes_are_base64_in_json():
    secret = {"kind": "Secret", "apiVersion": "v1", "data": {"k": base64.b64encode(b"\x00\xff").decode(), "e": ""}}
    assert envelope.decode(envelope.encode(secret)) == secret


POD_BYTES = envelope.encode(POD)


@settings(deadline=None, max_examples=120)
@given(st.data())
def test_mutated_bytes_are_an_object_or_a_refusal(data: st.DataObject):
    """Whatever is read can be encoded again and taken by the pipeline's own checks, or is refused there."""
    body = bytearray(POD_BYTES)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(20, len(body) - 1))
        size = data.draw(st.sampled_from([0, 1, 1, 1, 3]))
        body[at : at + size] = data.draw(st.binary(max_size=3))
    try:
        obj = envelope.decode(bytes(body))
    except ValueError:
        return
    try:
        assert envelope.decode(envelope.encode(obj)).keys() <= obj.keys()
        convert(resources.PODS, obj)
    except ValueError:
        return


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(["core.v1.Pod", "apiextensions.v1.JSONSchemaProps", "core.v1.Event"]), st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_refusal(name: str, data: bytes):
    try:
        obj = decoder.decode(name, data)
    except WireError:
        return
    assert isinstance(obj, dict)


@given(
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4), st.integers(-(2**31), 2**31 - 1), st.text()
)
def test_what_is_written_is_read(labels: dict[str, str], number: int, text: str):
    spec = {"selector": labels, "ports": [{"port": number, "targetPort": number, "name": text}]} if labels else {}
    if not text and spec:
        spec["ports"][0].pop("name")
    data = encoder.encode("core.v1.ServiceSpec", spec)
    assert decoder.decode("core.v1.ServiceSpec", data) == spec
