"""Webhooks over real HTTPS on loopback: what they are sent, what becomes of their answers, what when they fail."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from kube_actors.api import Obj

from .conftest import TOKEN, Server, serving

GROUP = "/apis/admissionregistration.k8s.io/v1"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


class Api:
    """A REST client that remembers the warnings of its last answer."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url, self._session = url, session
        self.warnings: list[str] = []

    async def send(self, method: str, path: str, body: Obj | None = None, kind: str = "application/json") -> Obj:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
        data = None if body is None else json.dumps(body)
        async with self._session.request(method, self._url + path, data=data, headers=headers, ssl=False) as response:
            self.warnings = response.headers.getall("Warning", [])
            return {"http": response.status, **await response.json()}

    async def config_map(self, name: str = "a", query: str = "", **fields: Any) -> Obj:
        metadata = {"name": name, "labels": fields.pop("labels", {})}
        return await self.send("POST", CONFIG_MAPS + query, {"metadata": metadata, **fields})


@pytest.fixture
async def api(server: Server) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield Api(server.url, session)


class Hooks:
    """An HTTPS server of webhooks, and the configurations that point to it."""

    def __init__(self, port: int, ca: bytes, api: Api) -> None:
        self.port, self.api = port, api
        self.ca = base64.b64encode(ca).decode()
        self.reviews: list[Obj] = []
        self.answers: dict[str, Callable[[Obj], Any]] = {}

    async def handle(self, request: web.Request) -> web.Response:
        review = await request.json()
        if review["kind"] == "ConversionReview":
            return web.json_response(_converted(review))
        self.reviews.append(review)
        answer = self.answers[request.path](review["request"])
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, int):
            return web.Response(status=answer)
        response = {"uid": review["request"]["uid"], "allowed": True, **answer}
        kind = {"apiVersion": review["apiVersion"], "kind": "AdmissionReview"}
        return web.json_response({**kind, "response": response})

    async def add(self, kind: str, name: str, answer: Callable[[Obj], Any], **fields: Any) -> None:
        """Configure one webhook, of ConfigMaps in `default`, and wait until it is asked about them."""
        path = f"/{name}"
        self.answers[path] = lambda request: {}
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
        webhook = {
            "name": f"{name}.example.com",
            "rules": [rule],
            "clientConfig": {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": self.ca},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            **fields,
        }
        body = {"metadata": {"name": name}, "webhooks": [webhook]}
        made = await self.api.send("POST", f"{GROUP}/{kind}webhookconfigurations", body)
        assert made["http"] == 201, made
        self.answers[path] = answer
        revision = made["metadata"]["resourceVersion"]
        # What was written before the answer to a consistent read is in the cache that webhooks are read from.
        await self.api.send("GET", f"{GROUP}/{kind}webhookconfigurations?resourceVersion={revision}")


@pytest.fixture
async def hooks(server: Server, api: Api) -> AsyncIterator[Hooks]:
    made = Hooks(0, server.pki.ca, api)
    async with serving(server, made.handle, "hook.default.svc") as made.port:
        yield made


def _converted(review: Obj) -> Obj:
    """What v1 calls `size` is `width` in v2."""
    request = review["request"]
    to, names = request["desiredAPIVersion"], ("size", "width")
    old, new = names if to.endswith("v2") else names[::-1]
    objects = [
        {**{new if key == old else key: value for key, value in one.items()}, "apiVersion": to}
        for one in request["objects"]
    ]
    response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects}
    return {"kind": "ConversionReview", "apiVersion": review["apiVersion"], "response": response}


def patch(*operations: Obj) -> Obj:
    return {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(operations).encode()).decode()}


def label(key: str) -> Callable[[Obj], Obj]:
    """Adds a label; its value says how many labels there were."""

    def answer(request: Obj) -> Obj:
        labels = request["object"]["metadata"].get("labels") or {}
        return patch({"op": "add", "path": "/metadata/labels", "value": {**labels, key: str(len(labels))}})

    return answer


async def test_a_webhook_is_sent_the_request_and_its_no_is_the_answer(api: Api, hooks: Hooks) -> None:
    no = {"allowed": False, "status": {"message": "not on Mondays", "reason": "Forbidden", "code": 403}}
    await hooks.add("validating", "no", lambda request: no)
    refused = await api.config_map(query="?fieldManager=me")
    assert (refused["http"], refused["reason"]) == (403, "Forbidden")
    assert refused["message"] == 'admission webhook "no.example.com" denied the request: not on Mondays'
    request = hooks.reviews[-1]["request"]
    assert request["kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert (
        request["resource"]
        == request["requestResource"]
        == {
            "group": "",
            "version": "v1",
            "resource": "configmaps",
        }
    )
    assert (request["operation"], request["name"], request["namespace"]) == ("CREATE", "a", "default")
    assert request["userInfo"]["username"] == "admin"
    assert request["options"] == {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"}
    assert request["object"]["metadata"]["uid"]
    assert request["oldObject"] is None
    assert request["dryRun"] is False


async def test_a_no_without_words_is_a_bad_request(api: Api, hooks: Hooks) -> None:
    await hooks.add("validating", "no", lambda request: {"allowed": False})
    refused = await api.config_map()
    assert refused["http"] == refused["code"] == 400
    assert refused["message"] == 'admission webhook "no.example.com" denied the request without explanation'


async def test_updates_and_deletions_carry_the_old_object(api: Api, hooks: Hooks) -> None:
    await api.config_map(data={"k": "old"})
    await hooks.add("validating", "see", lambda request: {"warnings": ["seen"]})
    await api.send("PATCH", f"{CONFIG_MAPS}/a", {"data": {"k": "new"}}, "application/merge-patch+json")
    assert api.warnings == ['299 - "seen"']
    update = hooks.reviews[-1]["request"]
    assert (update["object"]["data"], update["oldObject"]["data"]) == ({"k": "new"}, {"k": "old"})
    assert update["options"]["kind"] == "UpdateOptions"
    await api.send("DELETE", f"{CONFIG_MAPS}/a")
    deletion = hooks.reviews[-1]["request"]
    assert (deletion["operation"], deletion["object"], deletion["name"]) == ("DELETE", None, "a")
    assert deletion["oldObject"]["data"] == {"k": "new"}


async def test_webhooks_change_the_object_in_the_order_of_their_names(api: Api, hooks: Hooks) -> None:
    await hooks.add("mutating", "b-second", label("second"))
    await hooks.add("mutating", "a-first", label("first"), reinvocationPolicy="IfNeeded")
    made = await api.config_map()
    # The first is asked again, since the second changed what it had seen.
    assert [review["request"]["object"]["metadata"].get("labels") for review in hooks.reviews[-3:]] == [
        None,
        {"first": "0"},
        {"first": "0", "second": "1"},
    ]
    assert made["metadata"]["labels"] == {"first": "2", "second": "1"}


async def test_what_a_webhook_adds_gets_its_defaults(api: Api, hooks: Hooks) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["services"]}
    port = {"op": "add", "path": "/spec/ports", "value": [{"port": 80}]}
    await hooks.add("mutating", "port", lambda request: patch(port), rules=[rule])
    made = await api.send("POST", "/api/v1/namespaces/default/services", {"metadata": {"name": "s"}, "spec": {}})
    assert made["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]


async def test_selectors_and_conditions_choose(api: Api, hooks: Hooks) -> None:
    no = {"allowed": False}
    condition = {"name": "named", "expression": "object.metadata.name.startsWith('x-')"}
    chosen = {"objectSelector": {"matchLabels": {"check": "yes"}}, "matchConditions": [condition]}
    await hooks.add("validating", "some", lambda request: no, **chosen)
    assert (await api.config_map("x-plain"))["http"] == 201
    assert (await api.config_map("plain", labels={"check": "yes"}))["http"] == 201
    assert (await api.config_map("x-chosen", labels={"check": "yes"}))["http"] == 400
    far = {"namespaceSelector": {"matchLabels": {"far": "away"}}}
    await hooks.add("validating", "far", lambda request: no, **far)
    assert (await api.config_map("near"))["http"] == 201


async def test_a_webhook_that_fails_is_an_error_or_ignored(api: Api, hooks: Hooks) -> None:
    async def late(request: Obj) -> Obj:
        await asyncio.sleep(5)
        return {}

    await hooks.add("validating", "late", late, timeoutSeconds=1, failurePolicy="Ignore")
    assert (await api.config_map("ignored"))["http"] == 201
    await hooks.add("validating", "broken", lambda request: 500)
    failed = await api.config_map()
    assert (failed["http"], failed["reason"]) == (500, "InternalError")
    text = 'Internal error occurred: failed calling webhook "broken.example.com": failed to call webhook: '
    assert failed["message"].startswith(text + "an error on the server")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"clientConfig": {"service": {"name": "none", "namespace": "default", "path": "/x"}}},
            'failed to call webhook: Post "https://none.default.svc:443/x?timeout=10s": service "none" not found',
        ),
        (
            {"clientConfig": {"url": "https://127.0.0.1:1/x"}},
            'failed to call webhook: Post "https://127.0.0.1:1/x?timeout=10s": dial tcp 127.0.0.1:1: connect: '
            "connection refused",
        ),
    ],
)
async def test_a_webhook_that_is_not_there_is_named(api: Api, hooks: Hooks, fields: Obj, text: str) -> None:
    await hooks.add("mutating", "gone", lambda request: {}, **fields)
    failed = await api.config_map()
    assert failed["message"] == f'Internal error occurred: failed calling webhook "gone.example.com": {text}'


async def test_a_certificate_of_another_authority_is_refused(api: Api, hooks: Hooks) -> None:
    await hooks.add("mutating", "odd", lambda r: {}, clientConfig={"url": f"https://127.0.0.1:{hooks.port}/odd"})
    failed = await api.config_map()
    assert failed["message"].endswith(
        "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    )


async def test_a_deadline_is_kept(api: Api, hooks: Hooks) -> None:
    async def late(request: Obj) -> Obj:
        await asyncio.sleep(5)
        return {}

    await hooks.add("validating", "late", late, timeoutSeconds=1)
    failed = await api.config_map()
    assert failed["message"].endswith('/late?timeout=1s": context deadline exceeded')


async def test_a_service_is_asked_for_its_cluster_name(api: Api, hooks: Hooks) -> None:
    """The certificate is that of the service, wherever it is."""
    spec = {"type": "ExternalName", "externalName": "localhost"}
    await api.send("POST", "/api/v1/namespaces/default/services", {"metadata": {"name": "hook"}, "spec": spec})
    service = {"name": "hook", "namespace": "default", "port": hooks.port, "path": "/svc"}
    config = {"service": service, "caBundle": hooks.ca}
    await hooks.add("validating", "svc", lambda request: {"allowed": False}, clientConfig=config)
    refused = await api.config_map()
    assert refused["message"] == 'admission webhook "svc.example.com" denied the request without explanation'


async def test_a_dry_run_needs_a_webhook_without_side_effects(api: Api, hooks: Hooks) -> None:
    await hooks.add("validating", "quiet", lambda request: {}, sideEffects="NoneOnDryRun")
    assert (await api.config_map(query="?dryRun=All"))["http"] == 201
    assert hooks.reviews[-1]["request"]["dryRun"] is True


async def test_an_equivalent_version_is_asked_about_in_its_own_form(api: Api, hooks: Hooks) -> None:
    rule = {
        "apiGroups": ["autoscaling"],
        "apiVersions": ["v2"],
        "operations": ["CREATE"],
        "resources": ["horizontalpodautoscalers"],
    }
    more = {"op": "replace", "path": "/spec/maxReplicas", "value": 7}
    await hooks.add("mutating", "hpa", lambda request: patch(more), rules=[rule])
    spec = {
        "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
        "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 50,
    }
    path = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
    made = await api.send("POST", path, {"metadata": {"name": "h"}, "spec": spec})
    request = hooks.reviews[-1]["request"]
    assert (request["kind"]["version"], request["requestKind"]["version"]) == ("v2", "v1")
    assert request["object"]["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
    assert made["spec"] == {**spec, "minReplicas": 1, "maxReplicas": 7}


async def test_scales_and_bindings_are_asked_about_as_what_they_are(api: Api, hooks: Hooks) -> None:
    rule = {
        "apiGroups": ["", "apps"],
        "apiVersions": ["v1"],
        "operations": ["*"],
        "resources": ["pods/binding", "deployments/scale", "pods/eviction"],
    }
    await hooks.add("validating", "sub", lambda request: {"allowed": False}, rules=[rule])
    container = {"name": "c", "image": "i"}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [container]}}
    await api.send("POST", "/api/v1/namespaces/default/pods", pod)
    body = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    refused = await api.send("POST", "/api/v1/namespaces/default/pods/p/binding", body)
    assert refused["http"] == 400
    request = hooks.reviews[-1]["request"]
    assert (request["kind"]["kind"], request["subResource"], request["operation"]) == ("Binding", "binding", "CREATE")
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    path = "/apis/apps/v1/namespaces/default/deployments"
    await api.send("POST", path, {"metadata": {"name": "d"}, "spec": spec})
    scaled = await api.send("PATCH", f"{path}/d/scale", {"spec": {"replicas": 3}}, "application/merge-patch+json")
    assert scaled["http"] == 400
    request = hooks.reviews[-1]["request"]
    assert (request["kind"]["kind"], request["object"]["spec"], request["oldObject"]["spec"]) == (
        "Scale",
        {"replicas": 3},
        {"replicas": 1},
    )


async def test_kubectl_shows_who_refused(hooks: Hooks, run_kubectl: Callable[..., Any]) -> None:
    status = {"message": "no more of these", "code": 403, "reason": "Forbidden"}
    await hooks.add("validating", "no", lambda request: {"allowed": False, "status": status})
    complaint = await run_kubectl("create", "configmap", "a", fails=True)
    assert complaint.strip() == (
        'error: failed to create configmap: admission webhook "no.example.com" denied the request: no more of these'
    )


async def test_a_stream_is_asked_about_by_its_options(api: Api, hooks: Hooks) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CONNECT"], "resources": ["pods/exec"]}
    no = {"allowed": False, "status": {"message": "no shells", "code": 403, "reason": "Forbidden"}}
    await hooks.add("validating", "exec", lambda request: no, rules=[rule])
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}
    await api.send("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "p"}, "spec": spec})
    refused = await api.send("POST", "/api/v1/namespaces/default/pods/p/exec?command=sh&command=-i&stdout=true")
    assert (refused["http"], refused["message"]) == (
        403,
        'admission webhook "exec.example.com" denied the request: no shells',
    )
    request = hooks.reviews[-1]["request"]
    assert (request["operation"], request["kind"]["kind"], request["name"]) == ("CONNECT", "PodExecOptions", "p")
    assert (request["object"]["command"], request["options"]) == (["sh", "-i"], None)


async def test_a_custom_resource_is_asked_about_in_the_version_of_the_rule_and_pruned(api: Api, hooks: Hooks) -> None:
    schema = {"type": "object", "properties": {"size": {"type": "integer"}, "color": {"type": "string"}}}
    versions = [
        {"name": name, "served": True, "storage": name == "v1", "schema": {"openAPIV3Schema": schema}}
        for name in ("v1", "v2")
    ]
    names = {"plural": "things", "kind": "Thing"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": versions}
    crd = {"metadata": {"name": "things.example.com"}, "spec": spec}
    await api.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    rule = {"apiGroups": ["example.com"], "apiVersions": ["v2"], "operations": ["CREATE"], "resources": ["things"]}
    changes = [{"op": "add", "path": f"/{key}", "value": value} for key, value in (("size", 7), ("odd", 1))]
    await hooks.add("mutating", "thing", lambda request: patch(*changes), rules=[rule])
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "color": "red"}
    made = await api.send("POST", "/apis/example.com/v1/namespaces/default/things", thing)
    assert made["http"] == 201, made
    request = hooks.reviews[-1]["request"]
    assert (request["object"]["apiVersion"], request["requestKind"]["version"]) == ("example.com/v2", "v1")
    assert (made["apiVersion"], made["size"], made["color"]) == ("example.com/v1", 7, "red")
    assert "odd" not in made


async def test_a_conversion_webhook_is_asked_for_the_version_that_an_admission_webhook_wants(
    api: Api, hooks: Hooks
) -> None:
    versions = [
        {
            "name": name,
            "served": True,
            "storage": name == "v1",
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {field: {"type": "integer"}}}},
        }
        for name, field in (("v1", "size"), ("v2", "width"))
    ]
    config = {"url": f"https://127.0.0.1:{hooks.port}/convert", "caBundle": hooks.ca}
    conversion = {"clientConfig": config, "conversionReviewVersions": ["v1"]}
    spec = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": versions,
        "conversion": {"strategy": "Webhook", "webhook": conversion},
    }
    crd = {"metadata": {"name": "things.example.com"}, "spec": spec}
    await api.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    rule = {"apiGroups": ["example.com"], "apiVersions": ["v2"], "operations": ["*"], "resources": ["things"]}
    wider = {"op": "replace", "path": "/width", "value": 7}
    await hooks.add("mutating", "thing", lambda request: patch(wider), rules=[rule])
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "size": 3}
    path = "/apis/example.com/v1/namespaces/default/things"
    made = await api.send("POST", path, thing)
    assert (made["http"], made.get("size")) == (201, 7), made
    assert hooks.reviews[-1]["request"]["object"]["width"] == 3
    changed = await api.send("PATCH", f"{path}/a", {"size": 4}, "application/merge-patch+json")
    assert (changed["apiVersion"], changed["size"]) == ("example.com/v1", 7), changed
    request = hooks.reviews[-1]["request"]
    assert (request["object"]["width"], request["oldObject"]["width"]) == (4, 7)
