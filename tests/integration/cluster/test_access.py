"""Access and protection on an embedded cluster, over HTTPS as others come in."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kube_actors.api.errors import ApiError, Forbidden
from kube_actors.api.resources import CONFIGMAPS, NODES, PODS, SECRETS, builtin
from kube_actors.client.client import KubeClient
from kube_actors.cluster.config import parse
from kube_actors.cluster.embedded import Cluster
from kube_actors.rpc.tls import ClientTLS
from kube_actors.store.client import StoreClient
from kube_actors_cli.token import bootstrap_secret

REQUESTS = builtin("certificates.k8s.io/v1", "certificatesigningrequests")
TOKEN_REVIEWS = builtin("authentication.k8s.io/v1", "tokenreviews")
POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, users: [jane]}
- {level: None}
"""


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    (tmp_path / "key").write_text(base64.b64encode(os.urandom(32)).decode())
    (tmp_path / "tokens").write_text('weak,jane,7,"dev,ops"\n')
    (tmp_path / "policy").write_text(POLICY)
    content = {
        "mode": "embedded",
        "runtime": "simulated",
        "store": {"durable": False},
        "apiServer": {
            "port": 0, "grpcPort": 0, "tokenPort": 0, "tokenFile": str(tmp_path / "tokens"),
            "encryption": {"keys": {"first": str(tmp_path / "key")}},
            "audit": {"policyFile": str(tmp_path / "policy"), "logFile": str(tmp_path / "audit.log")},
        },
    }  # fmt: skip
    async with Cluster(config=parse(content, "test")) as running:
        yield running


@pytest.fixture
async def http(cluster: Cluster) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=_trusting())) as session:

        async def ask(path: str, token: str = "", **more: Any) -> tuple[int, Any]:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            method = more.pop("method", "GET")
            async with session.request(method, cluster.rest_url + path, headers=headers, **more) as answer:
                return answer.status, json.loads(await answer.read() or b"null")

        yield ask


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _request(common: str, organization: str) -> tuple[bytes, str]:
    """(key, base64 of the request)."""
    key = ec.generate_private_key(ec.SECP256R1())
    parts = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        x509.NameAttribute(NameOID.COMMON_NAME, common),
    ]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(parts)).sign(key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()


async def test_who_has_a_token_for_joining_gets_a_nodes_certificate_and_is_that_node(
    cluster: Cluster, http: Any, tmp_path: Path
) -> None:
    await cluster.client.create(SECRETS, bootstrap_secret("abcdef", "0123456789abcdef", 600), namespace="kube-system")
    token = "abcdef.0123456789abcdef"
    info: dict[str, str] = {}
    while "jws-kubeconfig-abcdef" not in info:
        await asyncio.sleep(0.05)
        _, found = await http("/api/v1/namespaces/kube-public/configmaps/cluster-info", token)
        info = found.get("data") or {}
    code, _ = await http("/api/v1/namespaces/kube-public/configmaps/cluster-info")
    assert code == 403
    key, body = _request("system:node:new", "system:nodes")
    csr = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "join"},
        "spec": {
            "request": body,
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
        },
    }
    code, made = await http(f"{REQUESTS.path()}", token, method="POST", json=csr)
    assert code == 201
    assert made["spec"]["username"] == "system:bootstrap:abcdef"
    certificate = ""
    while not certificate:
        await asyncio.sleep(0.05)
        certificate = ((await cluster.client.get(REQUESTS, "join")).get("status") or {}).get("certificate", "")
    (tmp_path / "pair").write_bytes(key + base64.b64decode(certificate))
    context = _trusting()
    context.load_cert_chain(tmp_path / "pair")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as node:
        async with node.get(cluster.rest_url + "/api/v1/nodes/new") as answer:
            assert answer.status == 404
        async with node.get(cluster.rest_url + "/api/v1/nodes/node-1") as answer:
            assert answer.status == 403
            assert (await answer.json())["message"].endswith(
                "node 'new' cannot read 'node-1', only its own Node object"
            )


async def test_secrets_are_encrypted_in_the_store_and_plain_to_clients(cluster: Cluster) -> None:
    secret = {"metadata": {"name": "s", "namespace": "default"}, "stringData": {"word": "hush-hush"}}
    await cluster.client.create(SECRETS, secret, namespace="default")
    await cluster.client.create(CONFIGMAPS, {"metadata": {"name": "c"}, "data": {"word": "loud"}}, namespace="default")
    read = await cluster.client.get(SECRETS, "s", "default")
    assert base64.b64decode(read["data"]["word"]) == b"hush-hush"
    store = StoreClient([cluster.plan.store_address])
    await store.start()
    try:
        encrypted, _ = await store.get(b"/registry/secrets/default/s")
        plain, _ = await store.get(b"/registry/configmaps/default/c")
    finally:
        await store.stop()
    assert encrypted is not None
    assert encrypted.value.startswith(b"k8s:enc:aesgcm:v1:first:")
    assert b"hush-hush" not in encrypted.value
    assert plain is not None
    assert b"loud" in plain.value


async def test_the_audit_log_has_what_the_policy_wants(cluster: Cluster, http: Any, tmp_path: Path) -> None:
    code, refused = await http("/api/v1/namespaces/default/secrets", "weak")
    assert code == 403
    assert refused["message"].startswith('secrets is forbidden: User "jane" cannot list resource "secrets"')
    lines: list[dict[str, Any]] = []
    while not lines:
        await asyncio.sleep(0.05)
        lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    (line,) = lines
    assert line["user"] == {"username": "jane", "uid": "7", "groups": ["dev", "ops", "system:authenticated"]}
    assert (line["verb"], line["objectRef"]["resource"], line["responseStatus"]["code"]) == ("list", "secrets", 403)


async def test_the_audit_log_has_calls_over_grpc_and_the_stages_of_watches(
    cluster: Cluster, http: Any, tmp_path: Path
) -> None:
    await _let_jane_edit(cluster)
    jane = await _jane(cluster)
    await jane.create(CONFIGMAPS, {"metadata": {"name": "over-grpc"}}, namespace="default")
    with pytest.raises(Forbidden):
        await jane.get(NODES, "n1")
    async with aclosing(jane.watch(CONFIGMAPS, "default", send_initial_events=True)) as events:
        await anext(events)
    await jane.stop()
    selector = "fieldSelector=metadata.name%3Dnone"  # nothing to tell: the answer is empty
    await http(f"/api/v1/namespaces/default/configmaps?watch=true&timeoutSeconds=1&{selector}", "weak")
    lines: list[dict[str, Any]] = []
    while sum(line["verb"] == "watch" for line in lines) < 4:
        await asyncio.sleep(0.05)
        lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    seen = [(line["verb"], line["stage"], line["responseStatus"]["code"]) for line in lines]
    over_watch = [("watch", "ResponseStarted", 200), ("watch", "ResponseComplete", 200)]
    assert seen[:2] == [("create", "ResponseComplete", 201), ("get", "ResponseComplete", 403)]
    # The server may hear late that a client has left.
    assert sorted(seen[2:]) == sorted(over_watch * 2)
    assert lines[0]["objectRef"] == {"resource": "configmaps", "namespace": "default", "apiVersion": "v1"}
    assert lines[0]["user"]["username"] == "jane"
    assert lines[0]["sourceIPs"] == ["127.0.0.1"]
    assert lines[0]["userAgent"].startswith("janes-program")


async def test_the_audit_log_has_commands_in_containers_by_either_edge(cluster: Cluster, tmp_path: Path) -> None:
    await _let_jane_edit(cluster)
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    await cluster.client.create(PODS, pod, namespace="default")
    while (await cluster.client.get(PODS, "p", "default"))["status"].get("phase") != "Running":
        await asyncio.sleep(0.05)
    jane = await _jane(cluster)
    (await jane.exec("default", "p", ["sh"], stdin=True)).cancel()
    await jane.stop()
    url = f"{cluster.rest_url}/api/v1/namespaces/default/pods/p/exec?command=sh&container=c&stdin=true&stdout=true"
    headers = {"Authorization": "Bearer weak"}
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=_trusting()), headers=headers) as session,
        session.ws_connect(url, protocols=("v5.channel.k8s.io",)),
    ):
        pass
    lines: list[dict[str, Any]] = []
    while len(lines) < 4:
        await asyncio.sleep(0.05)
        lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    stages = ["ResponseStarted", "ResponseComplete"]
    assert sorted(line["stage"] for line in lines) == sorted(stages * 2)
    assert {line["objectRef"]["subresource"] for line in lines} == {"exec"}
    assert {line["responseStatus"]["code"] for line in lines} == {101}
    assert any(
        line["requestURI"].endswith("/pods/p/exec?command=sh&stdin=true&stdout=true&stderr=true") for line in lines
    )


async def _jane(cluster: Cluster) -> KubeClient:
    authority = yaml.safe_load(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]["certificate-authority-data"]
    tls = ClientTLS(base64.b64decode(authority), server_name="apiserver.kube-actors")
    client = KubeClient((cluster.token_address,), tls, "weak", user_agent="janes-program")
    await client.start()
    return client


async def _let_jane_edit(cluster: Cluster) -> None:
    bindings = builtin("rbac.authorization.k8s.io/v1", "clusterrolebindings")
    bound = {
        "apiVersion": bindings.api_version,
        "kind": bindings.kind,
        "metadata": {"name": "jane"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}],
    }
    await cluster.client.create(bindings, bound)
    # A list waits until the server's own cache has it.
    await cluster.client.list(bindings)


async def test_the_audit_log_has_what_admission_notes(cluster: Cluster, http: Any, tmp_path: Path) -> None:
    await _let_jane_edit(cluster)
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    note = {"key": "by", "valueExpression": "'made by ' + request.userInfo.username"}
    policy = {"matchConstraints": {"resourceRules": [rule]}, "auditAnnotations": [note]}
    group = "admissionregistration.k8s.io/v1"
    for resource, obj in (
        (builtin(group, "validatingadmissionpolicies"), {"metadata": {"name": "noted"}, "spec": policy}),
        (
            builtin(group, "validatingadmissionpolicybindings"),
            {"metadata": {"name": "noted"}, "spec": {"policyName": "noted", "validationActions": ["Audit"]}},
        ),
    ):
        await cluster.client.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, **obj})
        # A list waits until the server's own cache has it.
        await cluster.client.list(resource)
    path = "/api/v1/namespaces/default/configmaps"
    code, _ = await http(path, "weak", method="POST", json={"metadata": {"name": "a"}})
    assert code == 201
    lines: list[dict[str, Any]] = []
    while not lines:
        await asyncio.sleep(0.05)
        lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    assert lines[-1]["annotations"]["noted/by"] == "made by jane"


async def test_a_process_finds_its_token_the_ca_and_its_namespace_and_is_its_account() -> None:
    mount = "/var/run/secrets/kubernetes.io/serviceaccount"
    script = f"cd {mount} && cat namespace && echo && cat token && echo && head -n 1 ca.crt && sleep 600"
    container = {"name": "c", "image": "host", "command": ["sh", "-c", script]}
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}
    async with Cluster(runtime="process") as cluster:
        await cluster.client.create(PODS, pod, namespace="default")
        lines: list[bytes] = []
        while len(lines) < 3:
            await asyncio.sleep(0.2)
            try:
                lines = b"".join([chunk async for chunk in cluster.client.logs("default", "p")]).splitlines()
            except ApiError:
                continue
        assert lines[0] == b"default"
        assert lines[2] == b"-----BEGIN CERTIFICATE-----"
        review = {"metadata": {}, "spec": {"token": lines[1].decode()}}
        user = (await cluster.client.create(TOKEN_REVIEWS, review))["status"]["user"]
        assert user["username"] == "system:serviceaccount:default:default"
        assert user["extra"]["authentication.kubernetes.io/pod-name"] == ["p"]
        await cluster.client.delete(PODS, "p", "default")
        while (await cluster.client.create(TOKEN_REVIEWS, review))["status"].get("authenticated"):
            await asyncio.sleep(0.1)
