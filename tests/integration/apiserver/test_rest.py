"""REST as plain HTTPS clients see it."""

from __future__ import annotations

import asyncio
import io
import json
import ssl

import aiohttp
import pytest

from .conftest import ask

PODS = "/api/v1/namespaces/default/pods"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


async def test_objects_are_made_read_changed_and_deleted(http):
    body = {"metadata": {"name": "a"}, "data": {"k": "v"}}
    status, made = await ask(http, "POST", CONFIGMAPS, json=body)
    assert (status, made["kind"]) == (201, "ConfigMap")
    assert await ask(http, "GET", f"{CONFIGMAPS}/a") == (200, made)
    assert (await ask(http, "PUT", f"{CONFIGMAPS}/a", json={**made, "data": {"k": "w"}}))[1]["data"] == {"k": "w"}
    headers = {"Content-Type": "application/merge-patch+json"}
    status, patched = await ask(http, "PATCH", f"{CONFIGMAPS}/a", data='{"data":{"m":"1"}}', headers=headers)
    assert patched["data"] == {"k": "w", "m": "1"}
    status, listed = await ask(http, "GET", CONFIGMAPS)
    assert listed["items"] == [{key: patched[key] for key in ("metadata", "data")}]
    assert (await ask(http, "DELETE", f"{CONFIGMAPS}/a"))[1]["status"] == "Success"
    assert (await ask(http, "GET", f"{CONFIGMAPS}/a"))[0] == 404


async def test_a_body_may_be_yaml_and_an_answer_too(http):
    headers = {"Content-Type": "application/yaml", "Accept": "application/yaml"}
    status, text = await ask(http, "POST", CONFIGMAPS, data="metadata: {name: a}\ndata: {k: v}\n", headers=headers)
    assert status == 201
    assert "data:\n  k: v\n" in text
    assert (await ask(http, "POST", CONFIGMAPS, data="a: [", headers=headers))[0] == 400


async def test_a_warning_is_a_header(http):
    async with http.post(CONFIGMAPS, json={"metadata": {"name": "a"}, "bogus": 1}) as response:
        assert response.headers["Warning"] == '299 - "unknown field \\"bogus\\""'
        assert response.headers["Audit-Id"]


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/nosuchpath", 404, "404 page not found\n"),
        ("GET", "/apis/nosuch.example.com/v1", 404, "404 page not found\n"),
        ("GET", "/apis/apps/v1beta1", 404, "the server could not find the requested resource"),
        ("GET", "/api/v1/nosuch", 404, "the server could not find the requested resource"),
        ("GET", f"{CONFIGMAPS}/a/nosuch", 404, "the server could not find the requested resource"),
        ("GET", "/api/v1/namespaces/default/nodes", 404, "the server could not find the requested resource"),
        ("PUT", CONFIGMAPS, 405, "the server does not allow this method on the requested resource"),
        ("POST", "/api/v1/pods", 405, "the server does not allow this method on the requested resource"),
        ("DELETE", "/api/v1/namespaces", 405, "the server does not allow this method on the requested resource"),
        ("GET", f"{CONFIGMAPS}/a", 404, 'configmaps "a" not found'),
        ("GET", f"{PODS}?labelSelector=a=b=c", 400, "found '=', expected: ',' or 'end of string'"),
        ("GET", f"{PODS}?resourceVersion=abc&watch=1", 500, "parsing \"abc\": invalid syntax"),
    ],
)  # fmt: skip
async def test_what_is_not_there_is_said_in_kubernetes_words(http, method, path, status, text):
    found, body = await ask(http, method, path)
    assert found == status
    assert text in (body if isinstance(body, str) else body["message"])


async def test_media_types_that_are_not_spoken_are_refused(http):
    status, body = await ask(http, "GET", PODS, headers={"Accept": "application/cbor"})
    assert (status, body["reason"]) == (406, "NotAcceptable")
    status, body = await ask(http, "POST", PODS, data=b"x", headers={"Content-Type": "application/cbor"})
    assert (status, body["reason"]) == (415, "UnsupportedMediaType")
    headers = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    status, body = await ask(http, "POST", PODS, data=b"k8s\0nonsense", headers=headers)
    assert (status, body["reason"]) == (400, "BadRequest")


async def test_a_body_that_is_too_large_is_refused(http):
    status, body = await ask(http, "POST", CONFIGMAPS, data=io.BytesIO(b"{" + b" " * (3 << 20) + b"}"))
    assert (status, body["message"]) == (413, "Request entity too large: limit is 3145728")


async def test_who_is_nobody_sees_health_and_version_only(server, http):
    for path, expected in (("/healthz", 200), ("/version", 200), (PODS, 403), ("/metrics", 403), ("/api", 403)):
        async with http.get(path, headers={"Authorization": ""}) as response:
            assert response.status == expected, path
    async with http.get(PODS, headers={"Authorization": "Bearer wrong"}) as response:
        assert response.status == 401
        assert (await response.json())["message"] == "Unauthorized"
    text = 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'
    async with http.get(PODS, headers={"Authorization": "Bearer weak"}) as response:
        assert (await response.json())["message"] == text


async def test_a_client_certificate_says_who_asks(server):
    material = server.pki.client_tls("kubernetes-admin", ("system:masters",))
    pair = server.folder / "pair.pem"
    pair.write_bytes(material.key + material.certificate)
    context = ssl.create_default_context(cadata=server.pki.ca.decode())
    context.load_cert_chain(pair)
    async with aiohttp.ClientSession(server.url, connector=aiohttp.TCPConnector(ssl=context)) as session:
        status, found = await ask(session, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", json={})
    assert status == 201
    assert found["status"]["userInfo"] == {
        "username": "kubernetes-admin",
        "groups": ["system:masters", "system:authenticated"],
    }


async def lines_of(response, count):
    async with asyncio.timeout(10):
        return [json.loads(await response.content.readline()) for _ in range(count)]


async def test_a_watch_is_lines_of_json(http):
    _, listed = await ask(http, "GET", CONFIGMAPS)
    version = listed["metadata"]["resourceVersion"]
    async with http.get(f"{CONFIGMAPS}?watch=true&resourceVersion={version}") as response:
        await ask(http, "POST", CONFIGMAPS, json={"metadata": {"name": "a"}})
        await ask(http, "DELETE", f"{CONFIGMAPS}/a")
        events = await lines_of(response, 2)
    assert [event["type"] for event in events] == ["ADDED", "DELETED"]
    assert events[0]["object"]["kind"] == "ConfigMap"
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions[0] < versions[1]


async def test_a_watch_that_its_client_leaves_is_forgotten(server, http):
    from kube_actors.api.resources import CONFIGMAPS as RESOURCE

    bucket = server.api._pipeline.cache.bucket(RESOURCE)
    async with http.get(f"{CONFIGMAPS}?watch=true") as response:
        assert response.status == 200
        assert len(list(bucket.watchers())) == 1
        response.close()
    async with asyncio.timeout(5):
        while list(bucket.watchers()):
            await asyncio.sleep(0.02)


async def test_a_watch_with_initial_events_ends_them_with_a_bookmark(http):
    await ask(http, "POST", CONFIGMAPS, json={"metadata": {"name": "a"}})
    options = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with http.get(f"{CONFIGMAPS}?{options}") as response:
        events = await lines_of(response, 2)
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK"]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_table_has_rows_and_columns(http):
    await ask(http, "POST", CONFIGMAPS, json={"metadata": {"name": "a"}, "data": {"k": "v"}})
    headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    _, table = await ask(http, "GET", CONFIGMAPS, headers=headers)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"][:2] == ["a", 1]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    _, one = await ask(http, "GET", f"{CONFIGMAPS}/a?includeObject=Object", headers=headers)
    assert one["rows"][0]["object"]["data"] == {"k": "v"}


async def test_discovery_and_openapi_agree(http):
    _, groups = await ask(http, "GET", "/apis")
    _, index = await ask(http, "GET", "/openapi/v3")
    preferred = {f"apis/{group['preferredVersion']['groupVersion']}" for group in groups["groups"]}
    assert preferred <= set(index["paths"])
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
    _, aggregated = await ask(http, "GET", "/apis", headers=accept)
    assert [group["name"] for group in groups["groups"]] == [one["metadata"]["name"] for one in aggregated["items"]]
    _, apps = await ask(http, "GET", index["paths"]["apis/apps/v1"]["serverRelativeURL"])
    operation = apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert operation["x-kubernetes-group-version-kind"]["kind"] == "Deployment"
    assert "fieldValidation" in {one["name"] for one in operation["parameters"]}
    async with http.get("/openapi/v2") as response:
        etag = response.headers["ETag"]
        document = await response.json()
    assert "io.k8s.api.core.v1.Pod" in document["definitions"]
    async with http.get("/openapi/v2", headers={"If-None-Match": etag}) as response:
        assert response.status == 304


async def test_health_names_its_checks(http):
    assert await ask(http, "GET", "/readyz") == (200, "ok")
    status, text = await ask(http, "GET", "/readyz?verbose")
    assert status == 200
    assert text.startswith("[+]ping ok\n")
    assert text.endswith("readyz check passed\n")
    assert (await ask(http, "GET", "/livez/etcd")) == (200, "ok")
    assert (await ask(http, "GET", "/healthz/poststarthook/bootstrap-controller")) == (200, "ok")
    _, text = await ask(http, "GET", "/livez?verbose&exclude=etcd&exclude=nothing")
    assert "[+]etcd excluded: ok\n" in text
    assert 'warn: some health checks cannot be excluded: no matches for "nothing"\n' in text
    _, paths = await ask(http, "GET", "/")
    assert "/readyz/shutdown" in paths["paths"]


async def test_metrics_count_requests(http):
    await ask(http, "GET", CONFIGMAPS)
    _, text = await ask(http, "GET", "/metrics")
    labels = (
        'component="apiserver",dry_run="",group="",resource="configmaps",scope="namespace",subresource="",'
        'verb="LIST",version="v1"'
    )
    assert f'apiserver_request_total{{code="200",{labels}}} 1' in text
    assert f"apiserver_request_duration_seconds_count{{{labels}}} 1" in text
    assert 'apiserver_storage_objects{resource="namespaces"} 4' in text
    assert 'etcd_requests_total{operation="create",group="",resource="namespaces"} 4' in text
    assert "kubernetes_build_info{" in text
    assert "process_resident_memory_bytes " in text


async def test_a_cluster_begins_with_its_own_objects(http):
    _, namespaces = await ask(http, "GET", "/api/v1/namespaces")
    names = [item["metadata"]["name"] for item in namespaces["items"]]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    _, service = await ask(http, "GET", "/api/v1/namespaces/default/services/kubernetes")
    assert service["spec"]["clusterIP"] == "127.96.0.1"
    _, endpoints = await ask(http, "GET", "/api/v1/namespaces/default/endpoints/kubernetes")
    assert endpoints["subsets"][0]["addresses"] == [{"ip": "127.0.0.1"}]
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    _, slices = await ask(http, "GET", path)
    assert slices["items"][0]["metadata"]["labels"] == {"kubernetes.io/service-name": "kubernetes"}


async def test_a_second_server_on_one_store_finds_all_and_says_the_same(server, http):
    from dataclasses import replace

    from kube_actors.apiserver.server import ApiServer

    second = ApiServer(replace(server.api._config, rest_port=0))
    await second.start()
    await ask(http, "POST", CONFIGMAPS, json={"metadata": {"name": "a"}})
    url = f"https://127.0.0.1:{second.rest_port}{CONFIGMAPS}/a"
    context = ssl.create_default_context(cadata=server.pki.ca.decode())
    async with http.get(url, ssl=context) as response:
        assert response.status == 200
    await second.stop()


async def test_component_statuses_are_made_of_what_the_store_says(http):
    _, listed = await ask(http, "GET", "/api/v1/componentstatuses")
    assert listed["items"] == [
        {"metadata": {"name": "etcd-0"}, "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]}
    ]
    status, refused = await ask(http, "GET", "/api/v1/componentstatuses/nope")
    assert (status, refused["message"]) == (404, 'componentstatus "nope" not found')
    assert (await ask(http, "DELETE", "/api/v1/componentstatuses/etcd-0"))[0] == 405
