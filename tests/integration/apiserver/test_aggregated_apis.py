"""APIs that another server answers for: found, checked, listed, and reached with the user in headers."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from kube_actors.api.resources import SERVICES as SERVICE
from kube_actors.controllers.podautoscaler.replicas import NoAnswer
from kube_actors.controllers.podautoscaler.source import Metrics

from .conftest import ask, serving

SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
FRUITS = "/apis/fruits.example.com/v1"


class Extension:
    """A server of `apples`; it believes the headers of whoever shows the front proxy's certificate."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, list[str]]] = []
        self.port = 0
        # Paths of group versions, and answers by path.
        self.discoverable: set[str] = set()
        self.answers: dict[str, tuple[int, dict]] = {}

    async def answer(self, request: web.Request) -> web.Response:
        certificate = request.transport.get_extra_info("peercert")
        names = [value for part in certificate["subject"] for key, value in part if key == "commonName"]
        if names != ["front-proxy-client"]:
            return web.Response(status=401)
        who = (request.headers["X-Remote-User"], request.headers.getall("X-Remote-Group"))
        if request.path == FRUITS:
            apples = {
                "name": "apples",
                "kind": "Apple",
                "namespaced": True,
                "verbs": ["get", "list"],
                "singularName": "",
            }
            return web.json_response(
                {
                    "kind": "APIResourceList",
                    "apiVersion": "v1",
                    "groupVersion": "fruits.example.com/v1",
                    "resources": [apples],
                }
            )
        self.seen.append((request.path_qs, *who))
        if request.path in self.discoverable:
            listed = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": request.path[6:], "resources": []}
            return web.json_response(listed)
        if request.path in self.answers:
            code, answer = self.answers[request.path]
            return web.json_response(answer, status=code)
        return web.json_response({"method": request.method, "body": await request.text()})


@pytest.fixture
async def extension(server) -> AsyncIterator[Extension]:
    made = Extension()
    async with serving(server, made.answer, "fruits.default.svc", front_proxy=True) as made.port:
        yield made


async def condition(http, reason: str, name: str = "v1.fruits.example.com") -> dict:
    """The Available condition of an APIService, once it has the reason."""
    async with asyncio.timeout(15):
        while True:
            _, service = await ask(http, "GET", f"{SERVICES}/{name}")
            for one in (service.get("status") or {}).get("conditions") or ():
                if one["reason"] == reason:
                    return one
            await asyncio.sleep(0.05)


async def register(http, server, group: str = "fruits.example.com", version: str = "v1", port: int = 443) -> None:
    spec = {
        "group": group,
        "version": version,
        "groupPriorityMinimum": 100,
        "versionPriority": 10,
        "service": {"namespace": "default", "name": "fruits", "port": port},
        "caBundle": base64.b64encode(server.pki.ca).decode(),
    }
    body = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{version}.{group}"},
        "spec": spec,
    }
    assert (await ask(http, "POST", SERVICES, json=body))[0] == 201


async def provide(http, port: int) -> None:
    """The Service, and one endpoint of it."""
    # Kubernetes forbids loopback endpoints; an ExternalName leads there as well.
    service = {"metadata": {"name": "fruits"}, "spec": {"type": "ExternalName", "externalName": "127.0.0.1"}}
    service["spec"]["ports"] = [{"port": port}]
    status, made = await ask(http, "POST", "/api/v1/namespaces/default/services", json=service)
    assert status == 201, made


async def test_an_aggregated_api_is_checked_listed_and_reached(http, server, extension) -> None:
    await register(http, server)
    missing = await condition(http, "ServiceNotFound")
    assert missing["status"] == "False"
    assert (await ask(http, "GET", f"{FRUITS}/namespaces/default/apples"))[0] == 503
    await provide(http, extension.port)
    headers = {"Content-Type": "application/merge-patch+json"}
    patch = {"spec": {"service": {"port": extension.port}}}
    await ask(http, "PATCH", f"{SERVICES}/v1.fruits.example.com", json=patch, headers=headers)
    assert (await condition(http, "Passed"))["message"] == "all checks passed"
    _, groups = await ask(http, "GET", "/apis")
    assert "fruits.example.com" in [group["name"] for group in groups["groups"]]
    accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
    _, found = await ask(http, "GET", "/apis", headers=accept)
    [group] = [one for one in found["items"] if one["metadata"]["name"] == "fruits.example.com"]
    assert [one["resource"] for one in group["versions"][0]["resources"]] == ["apples"]
    _, listed = await ask(http, "GET", FRUITS)
    assert listed["resources"][0]["kind"] == "Apple"
    status, answer = await ask(http, "POST", f"{FRUITS}/namespaces/default/apples?dryRun=All", data="pips")
    assert (status, answer) == (200, {"method": "POST", "body": "pips"})
    path, user, user_groups = extension.seen[-1]
    assert (path, user) == (f"{FRUITS}/namespaces/default/apples?dryRun=All", "admin")
    assert "system:masters" in user_groups
    assert (await ask(http, "GET", f"{FRUITS}/apples", headers={"Authorization": "Bearer weak"}))[0] == 403
    await ask(http, "DELETE", f"{SERVICES}/v1.fruits.example.com")
    async with asyncio.timeout(10):
        while (await ask(http, "GET", FRUITS))[0] != 404:
            await asyncio.sleep(0.05)


async def test_an_autoscaler_reads_custom_and_external_metrics_of_another_server(http, server, extension) -> None:
    await provide(http, extension.port)
    for group, version in (("custom.metrics.k8s.io", "v1beta2"), ("external.metrics.k8s.io", "v1beta1")):
        extension.discoverable.add(f"/apis/{group}/{version}")
        await register(http, server, group, version, extension.port)
        await condition(http, "Passed", f"{version}.{group}")
    custom, external = (
        f"/apis/{each}/namespaces/default"
        for each in ("custom.metrics.k8s.io/v1beta2", "external.metrics.k8s.io/v1beta1")
    )
    stamp = {"timestamp": "2026-01-02T03:04:05Z"}
    per_pod = [
        {"describedObject": {"name": name}, "value": value, **stamp} for name, value in (("p", "3"), ("q", "500m"))
    ]
    extension.answers = {
        f"{custom}/pods/*/requests": (200, {"items": per_pod}),
        f"{custom}/services/web/hits": (200, {"items": [{"value": "7", **stamp}]}),
        f"{external}/queue": (200, {"items": [{"value": "4", **stamp}, {"value": "2", **stamp}]}),
        f"{custom}/services/web/none": (
            404,
            {"kind": "Status", "reason": "NotFound", "code": 404, "message": "no such metric"},
        ),
    }
    client = server.client("system:kube-controller-manager", ())
    await client.start()
    try:
        metrics = Metrics(client)
        found = await metrics.of_pods("default", ["p", "q"], {"name": "requests"})
        assert {name: sample.value for name, sample in found.items()} == {"p": 3000, "q": 500}
        assert await metrics.of_object("default", SERVICE, "web", {"name": "hits"}) == 7000
        selector = {"matchLabels": {"queue": "jobs"}}
        assert await metrics.external("default", {"name": "queue", "selector": selector}) == 6000
        path, user, _ = extension.seen[-1]
        assert (path, user) == (f"{external}/queue?labelSelector=queue%3Djobs", "system:kube-controller-manager")
        with pytest.raises(NoAnswer, match="no such metric"):
            await metrics.of_object("default", SERVICE, "web", {"name": "none"})
    finally:
        await client.stop()
    nobody = server.client("somebody", ())
    await nobody.start()
    try:
        with pytest.raises(NoAnswer, match="forbidden"):
            await Metrics(nobody).external("default", {"name": "queue"})
    finally:
        await nobody.stop()


async def test_what_the_server_serves_itself_is_registered_and_follows_custom_resources(http) -> None:
    _, listed = await ask(http, "GET", SERVICES)
    names = [one["metadata"]["name"] for one in listed["items"]]
    assert {"v1.", "v1.apps", "v2.autoscaling", "v1.apiextensions.k8s.io"} <= set(names)
    assert listed["items"][0]["status"]["conditions"][0]["reason"] == "Local"
    schema = {"openAPIV3Schema": {"type": "object"}}
    crd = {
        "metadata": {"name": "pears.fruits.example.com"},
        "spec": {
            "group": "fruits.example.com",
            "scope": "Namespaced",
            "names": {"plural": "pears", "kind": "Pear"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert (await ask(http, "POST", crds, json=crd))[0] == 201
    async with asyncio.timeout(10):
        while (await ask(http, "GET", f"{SERVICES}/v1.fruits.example.com"))[0] != 200:
            await asyncio.sleep(0.05)
        await ask(http, "DELETE", f"{crds}/pears.fruits.example.com")
        while (await ask(http, "GET", f"{SERVICES}/v1.fruits.example.com"))[0] != 404:
            await asyncio.sleep(0.05)
