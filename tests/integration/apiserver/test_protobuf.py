"""Protobuf over HTTPS: what the real kubectl sends in it, and answers, refusals and watches for those who ask."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator

import aiohttp
import pytest

from kube_actors.api import encoding
from kube_actors.api.protobuf import envelope
from kube_actors.api.protobuf.wire import grouped

PROTOBUF = "application/vnd.kubernetes.protobuf"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
PORT = {"containerPort": 80}
BODY = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "v"}}


class Client:
    """Speaks protobuf unless told otherwise."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str):
        sent = {"Accept": PROTOBUF, "Content-Type": PROTOBUF} | {k.replace("_", "-"): v for k, v in headers.items()}
        return self.session.request(method, self.url + path, data=body, headers=sent)

    async def ask(self, method: str, path: str, obj: object = None, **headers: str) -> tuple[int, str, dict]:
        body = obj if isinstance(obj, bytes) else envelope.encode(obj) if obj is not None else None
        async with self.request(method, path, body, **headers) as response:
            data = await response.read()
            kind = response.headers["Content-Type"]
            return response.status, kind, envelope.decode(data) if kind == PROTOBUF else json.loads(data)


@pytest.fixture
async def client(server) -> AsyncIterator[Client]:
    context = ssl.create_default_context(cadata=server.pki.ca.decode())
    headers = {"Authorization": "Bearer integration-test-token"}
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        yield Client(session, server.url)


async def test_kubectls_typed_commands_work(run_kubectl):
    async def got(*args: str) -> dict:
        return json.loads(await run_kubectl("get", *args, "-n", "demo", "-o", "json"))

    await run_kubectl("create", "namespace", "demo")
    await run_kubectl("create", "configmap", "settings", "-n", "demo", "--from-literal=a=b")
    await run_kubectl("create", "secret", "generic", "key", "-n", "demo", "--from-literal=a=b")
    await run_kubectl("create", "serviceaccount", "robot", "-n", "demo")
    await run_kubectl("create", "service", "clusterip", "web", "-n", "demo", "--tcp=80:8080")
    await run_kubectl("create", "deployment", "web", "-n", "demo", "--image=web:1", "--port=8080", "--replicas=2")
    await run_kubectl("run", "one", "-n", "demo", "--image=web:1", "--env=A=b", "--labels=app=one")
    assert (await got("cm", "settings"))["data"] == {"a": "b"}
    assert (await got("secret", "key"))["data"] == {"a": "Yg=="}
    assert (await got("svc", "web"))["spec"]["ports"][0]["targetPort"] == 8080
    pod = (await got("pod", "one"))["spec"]
    assert (pod["containers"][0]["env"], pod["restartPolicy"]) == ([{"name": "A", "value": "b"}], "Always")
    assert "initContainers" not in pod
    assert "priority" not in pod or pod["priority"] == 0

    await run_kubectl("scale", "deployment/web", "-n", "demo", "--replicas=4")
    await run_kubectl("set", "image", "deployment/web", "-n", "demo", "web=web:2")
    await run_kubectl("expose", "deployment/web", "-n", "demo", "--name=exposed", "--port=80")
    spec = (await got("deployment", "web"))["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]) == (4, "web:2")
    assert (await got("svc", "exposed"))["spec"]["selector"] == {"app": "web"}
    await run_kubectl("delete", "deployment", "web", "-n", "demo", "--wait=false")
    await run_kubectl("delete", "svc", "web", "exposed", "-n", "demo")
    assert await run_kubectl("get", "svc,deploy", "-n", "demo", "-o", "name") == ""


async def test_the_same_object_in_json_and_protobuf_is_stored_the_same(client):
    """Zero values that protobuf carries and JSON does not may not be seen."""
    plain = {"kind": "Pod", "apiVersion": "v1", "spec": {"containers": [{"name": "c", "image": "i", "ports": [PORT]}]}}
    zeros = {"nodeName": "", "hostname": "", "hostNetwork": False, "hostPID": False, "serviceAccountName": ""}
    empty = {"stdin": False, "tty": False, "workingDir": "", "terminationMessagePath": "", "imagePullPolicy": ""}
    port = {"name": "", "hostPort": 0, "protocol": "", "hostIP": ""}
    container = {"name": "c", "image": "i", "ports": [PORT | port], "resources": {}, **empty}
    typed = plain | {"spec": {"containers": [container], "restartPolicy": "", **zeros}, "status": {"phase": ""}}
    stored = []
    for name, obj, kind in (("json", plain, "application/json"), ("wire", typed, PROTOBUF)):
        pod = obj | {"metadata": {"name": name, "namespace": "", "generation": 0}}
        body = encoding.dumps(pod) if name == "json" else envelope.encode(pod)
        code, _, answer = await client.ask(
            "POST", "/api/v1/namespaces/default/pods", body, Content_Type=kind, Accept="application/json"
        )
        assert code == 201, answer
        metadata = answer.pop("metadata")
        stored.append((answer, metadata.keys()))
    assert stored[0] == stored[1]


async def test_objects_lists_and_statuses_are_answered_in_protobuf(client):
    code, kind, made = await client.ask("POST", CONFIGMAPS, BODY)
    assert (code, kind, made["data"], made["metadata"]["namespace"]) == (201, PROTOBUF, {"k": "v"}, "default")
    _, _, got = await client.ask("GET", f"{CONFIGMAPS}/a")
    assert got == made
    _, _, listed = await client.ask("GET", CONFIGMAPS)
    assert (listed["kind"], [one["metadata"]["name"] for one in listed["items"]]) == ("ConfigMapList", ["a"])
    assert int(listed["metadata"]["resourceVersion"]) > 0
    shape = f"{PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    _, kind, partial = await client.ask("GET", CONFIGMAPS, Accept=shape)
    assert (kind, partial["kind"]) == (PROTOBUF, "PartialObjectMetadataList")
    assert partial["items"][0]["metadata"]["uid"] == made["metadata"]["uid"]
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": made["metadata"]["uid"]}}
    code, _, gone = await client.ask("DELETE", f"{CONFIGMAPS}/a", options)
    assert (code, gone["kind"], gone["status"]) == (200, "Status", "Success")
    code, kind, missing = await client.ask("GET", f"{CONFIGMAPS}/a")
    assert (code, kind, missing["reason"]) == (404, PROTOBUF, "NotFound")


async def test_json_is_answered_where_it_is_preferred_or_a_table_is_asked_for(client):
    for accept in ("application/json", f"application/json,{PROTOBUF}", "*/*"):
        assert (await client.ask("GET", CONFIGMAPS, Accept=accept))[1] == "application/json"
    table = f"{PROTOBUF};as=Table;g=meta.k8s.io;v=v1"
    code, _, refused = await client.ask("GET", CONFIGMAPS, Accept=table)
    wanted = "only the following media types are accepted: application/json, application/yaml, " + PROTOBUF
    assert (code, refused["message"]) == (406, wanted)
    assert (await client.ask("GET", CONFIGMAPS, Accept=f"{table},application/json"))[1] == "application/json"
    code, _, refused = await client.ask("GET", f"{CONFIGMAPS}/a", Accept="application/xml")
    wanted = f"406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, {PROTOBUF}"
    assert (code, refused["message"]) == (406, wanted)


async def test_a_watch_is_a_stream_of_frames(client):
    async with client.request("GET", f"{CONFIGMAPS}?watch=1") as response:
        assert response.headers["Content-Type"] == f"{PROTOBUF};stream=watch"
        await client.ask("POST", CONFIGMAPS, BODY)
        await client.ask("DELETE", f"{CONFIGMAPS}/a")
        events = []
        async with asyncio.timeout(10):
            while len(events) < 2:
                size = int.from_bytes(await response.content.readexactly(4), "big")
                events.append(grouped(await response.content.readexactly(size)))
    assert [event[1] for event in events] == [[b"ADDED"], [b"DELETED"]]
    objects = [envelope.decode(grouped(event[2][0])[1][0]) for event in events]
    assert [obj["data"] for obj in objects] == [{"k": "v"}] * 2


async def test_bodies_that_are_no_objects_are_refused_in_kubernetes_words(client):
    prefix = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
    unrecognized = "the object provided is unrecognized (must be of type ConfigMap): "
    cases = {
        b"garbage": f"{unrecognized}{prefix} (67617262616765)",
        b'{"kind":"ConfigMap"}': f'{unrecognized}{prefix} ({{"kind":"ConfigMap"}})',
        envelope.wrapped("v1", "ConfigMap", b"\x12\x7f"): (
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: unexpected EOF'
        ),
        envelope.wrapped("v1", "Nothing", b""): (
            'Nothing in version "v1" cannot be handled as a ConfigMap: no kind "Nothing" is registered '
            'for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"'
        ),
        envelope.encode({"kind": "Secret", "apiVersion": "v1"}): (
            'Secret in version "v1" cannot be handled as a ConfigMap: '
            "converting (v1.Secret) to (core.ConfigMap): unknown conversion"
        ),
    }
    for body, message in cases.items():
        code, _, refused = await client.ask("POST", CONFIGMAPS, body)
        assert (code, refused["reason"], refused["message"]) == (400, "BadRequest", message)
    code, _, refused = await client.ask("POST", CONFIGMAPS, b"x", Content_Type="application/cbor-x")
    wanted = "the body of the request was in an unknown format - accepted media types include: "
    assert (code, refused["message"]) == (415, f"{wanted}application/json, application/yaml, {PROTOBUF}")
