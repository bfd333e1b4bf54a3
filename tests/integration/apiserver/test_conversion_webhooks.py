"""Versions of a custom resource that a webhook converts, over TLS, as reads, lists, watches and writes need them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from .conftest import ask, serving

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OLD, NEW = (f"/apis/example.com/{version}/namespaces/default/hosts" for version in ("v1beta1", "v1"))


class Webhook:
    """v1beta1 has `hostPort: a:1`, v1 has `host: a` and `port: 1`."""

    def __init__(self) -> None:
        self.reviews: list[dict] = []
        self.fails = ""

    async def convert(self, request: web.Request) -> web.Response:
        review = await request.json()
        self.reviews.append(review["request"])
        wanted = review["request"]["desiredAPIVersion"]
        response = {"uid": review["request"]["uid"], "result": {"status": "Success"}}
        response["convertedObjects"] = [self._converted(obj, wanted) for obj in review["request"]["objects"]]
        if self.fails:
            response = {"uid": review["request"]["uid"], "result": {"status": "Failed", "message": self.fails}}
        return web.json_response({"kind": "ConversionReview", "apiVersion": review["apiVersion"], "response": response})

    def _converted(self, obj: dict, wanted: str) -> dict:
        made = {"kind": obj["kind"], "apiVersion": wanted, "metadata": {**obj["metadata"], "resourceVersion": "bogus"}}
        if wanted.endswith("v1beta1"):
            return {**made, "hostPort": f"{obj.get('host', '')}:{obj.get('port', '')}"}
        host, _, port = obj.get("hostPort", ":").partition(":")
        return {**made, "host": host, "port": int(port or 0)}


@pytest.fixture
async def webhook(server) -> AsyncIterator[Webhook]:
    made = Webhook()
    async with serving(server, made.convert, "localhost") as port:
        made.url = f"https://127.0.0.1:{port}/convert"
        yield made


@pytest.fixture
async def hosts(http, webhook, server) -> None:
    """The definition of hosts, served."""
    string, integer = {"type": "string"}, {"type": "integer"}
    old, new = {"hostPort": string}, {"host": string, "port": integer}

    def version(name: str, properties: dict, storage: bool) -> dict:
        schema = {"openAPIV3Schema": {"type": "object", "properties": properties}}
        return {"name": name, "served": True, "storage": storage, "schema": schema}

    client = {"url": webhook.url, "caBundle": base64.b64encode(server.pki.ca).decode()}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "hosts.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "hosts", "kind": "Host"},
            "versions": [version("v1beta1", old, False), version("v1", new, True)],
            "conversion": {
                "strategy": "Webhook",
                "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]},
            },
        },
    }
    status, made = await ask(http, "POST", CRDS, json=crd)
    assert status == 201, made
    async with asyncio.timeout(10):
        while (await ask(http, "GET", NEW))[0] != 200:
            await asyncio.sleep(0.02)


def host(version: str, name: str, **fields: object) -> dict:
    return {"apiVersion": f"example.com/{version}", "kind": "Host", "metadata": {"name": name}, **fields}


async def test_what_is_written_in_one_version_is_read_in_the_other(http, hosts, webhook) -> None:
    status, made = await ask(http, "POST", OLD, json=host("v1beta1", "a", hostPort="x:1"))
    assert (status, made["hostPort"]) == (201, "x:1")
    _, read = await ask(http, "GET", f"{NEW}/a")
    assert (read["apiVersion"], read["host"], read["port"]) == ("example.com/v1", "x", 1)
    assert read["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    headers = {"Content-Type": "application/merge-patch+json"}
    _, patched = await ask(http, "PATCH", f"{OLD}/a", json={"hostPort": "y:2"}, headers=headers)
    assert patched["hostPort"] == "y:2"
    assert (await ask(http, "GET", f"{NEW}/a"))[1]["port"] == 2
    assert (await ask(http, "DELETE", f"{OLD}/a"))[0] == 200


async def test_a_list_asks_once_and_a_second_one_not_at_all(http, hosts, webhook) -> None:
    for number in range(5):
        await ask(http, "POST", NEW, json=host("v1", f"h{number}", host="x", port=number))
    webhook.reviews.clear()
    for _ in range(2):
        _, listed = await ask(http, "GET", OLD)
        assert [item["hostPort"] for item in listed["items"]] == [f"x:{number}" for number in range(5)]
    assert [len(review["objects"]) for review in webhook.reviews] == [5]


async def test_a_watch_shows_the_version_that_is_watched(http, hosts, webhook) -> None:
    await ask(http, "POST", NEW, json=host("v1", "a", host="x", port=1))
    async with http.get(f"{OLD}?watch=true") as response, asyncio.timeout(10):
        assert json.loads(await response.content.readline())["object"]["hostPort"] == "x:1"
        await ask(http, "POST", NEW, json=host("v1", "b", host="y", port=2))
        assert json.loads(await response.content.readline())["object"]["hostPort"] == "y:2"


async def test_a_webhook_that_refuses_is_quoted_and_the_stored_version_still_served(http, hosts, webhook) -> None:
    await ask(http, "POST", NEW, json=host("v1", "a", host="x", port=1))
    webhook.fails = "no way"
    status, refused = await ask(http, "GET", f"{OLD}/a")
    assert (status, refused["message"]) == (500, "conversion webhook for example.com/v1, Kind=Host failed: no way")
    assert (await ask(http, "GET", f"{NEW}/a"))[0] == 200
    status, refused = await ask(http, "POST", OLD, json=host("v1beta1", "b", hostPort="x:1"))
    assert status == 500
    assert (await ask(http, "GET", f"{NEW}/b"))[0] == 404
