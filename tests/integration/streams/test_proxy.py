"""pods/proxy, services/proxy, nodes/proxy and kubectl proxy: every verb, paths, links, upgrades, refusals."""

from __future__ import annotations

import json
import socket
import ssl
import sys
from dataclasses import dataclass
from http.client import HTTPSConnection

import pytest
import websocket

from kube_actors.cluster.pki import Pki
from tests.integration.streams.conftest import Running, pod

BASE = "/api/v1/namespaces/default"
POD = f"{BASE}/pods/web:8080/proxy"

# Answers an upgrade, and from then on says what it hears in capital letters.
SWITCH = """
import os, socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        head = b""
        # A probe of the port connects and says nothing.
        while (line := self.rfile.readline()) not in (b"", b"\\r\\n"):
            head += line
        if b"Authorization" in head or b"Upgrade: shout" not in head:
            self.wfile.write(b"HTTP/1.1 403 Forbidden\\r\\nContent-Length: 2\\r\\n\\r\\nno")
            return
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: shout\\r\\n\\r\\n")
        for line in self.rfile:
            self.wfile.write(line.upper())
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer((os.environ["POD_IP"], 7000), Handler).serve_forever()
"""
SECURE = """
import http.server, os, ssl
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "6"); self.end_headers()
        self.wfile.write(b"secret")
server = http.server.ThreadingHTTPServer((os.environ["POD_IP"], 8443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("CERT")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


@dataclass
class Reply:
    code: int
    headers: dict[str, str]
    text: str

    @property
    def status(self) -> tuple[int, str, str]:
        """Of a refusal."""
        body = json.loads(self.text)
        return body["code"], body["reason"], body["message"]


def context() -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def ask(running: Running, method: str, path: str, body: str | None = None, **headers: str) -> Reply:
    host, _, port = running.cluster.rest_url.removeprefix("https://").partition(":")
    connection = HTTPSConnection(host, int(port), context=context(), timeout=30)
    try:
        token = {"Authorization": f"Bearer {running.cluster.token}"}
        connection.request(method, path, body=body, headers=token | headers)
        answer = connection.getresponse()
        return Reply(answer.status, dict(answer.getheaders()), answer.read().decode())
    finally:
        connection.close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_verb_reaches_the_pod_with_path_query_and_body(running: Running, method: str) -> None:
    body = None if method in ("GET", "OPTIONS") else "content"
    reply = ask(running, method, f"{POD}/a%2Fb/c/?x=1&x=%20", body)
    assert (reply.code, reply.text) == (200, f"{method} /a%2Fb/c/?x=1&x=%20 {body or ''}")
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_a_head_has_no_body(running: Running) -> None:
    reply = ask(running, "HEAD", f"{POD}/x")
    assert (reply.code, reply.text) == (200, "")
    assert reply.headers["Content-Length"] == str(len("HEAD /x "))


def test_a_body_larger_than_any_object_goes_through(running: Running) -> None:
    body = "x" * (5 << 20)
    assert ask(running, "POST", f"{POD}/", body).text == f"POST / {body}"


@pytest.mark.parametrize("name", ["web", "web:8080", "http:web:8080", "http:web:"])
def test_names_with_scheme_and_port(running: Running, name: str) -> None:
    assert ask(running, "GET", f"{BASE}/pods/{name}/proxy/x").text == "GET /x "


def test_a_path_without_its_slash_is_redirected(running: Running) -> None:
    reply = ask(running, "GET", f"{POD}?x=1")
    assert (reply.code, reply.headers["Location"]) == (301, f"{POD}/?x=1")
    assert ask(running, "POST", POD, "y").text == "POST / y"


def test_links_and_redirects_lead_through_the_proxy(running: Running) -> None:
    page = ask(running, "GET", f"{POD}/page")
    assert page.text == f'<html><a href="{POD}/rewriteme">x</a><a href="other">y</a></html>'
    moved = ask(running, "GET", f"{POD}/moved")
    assert (moved.code, moved.headers["Location"]) == (302, f"{POD}/there")


def test_a_service_by_name_and_number_of_its_port(running: Running) -> None:
    running.kubectl("create", "-f", "-", stdin=json.dumps(service()).encode())
    running.kubectl("wait", "endpoints/svc", "--for=jsonpath={.subsets[0].addresses[0].ip}", "--timeout=20s")
    for name in ("svc:main", "svc:80", "http:svc:main"):
        assert ask(running, "GET", f"{BASE}/services/{name}/proxy/x").text == "GET /x "
    port = ask(running, "GET", f"{BASE}/services/svc:81/proxy/")
    assert port.status == (503, "ServiceUnavailable", 'no service port 81 found for service "svc"')
    none = ask(running, "GET", f"{BASE}/services/svc:other/proxy/")
    assert none.status == (503, "ServiceUnavailable", 'no endpoints available for service "svc"')


def service() -> dict[str, object]:
    ports = [{"name": "main", "port": 80, "targetPort": "http"}]
    spec = {"selector": {"app": "web"}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "svc"}, "spec": spec}


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        (f"{BASE}/pods/nope/proxy/", 404, 'pods "nope" not found'),
        (f"{BASE}/services/nope/proxy/", 404, 'services "nope" not found'),
        ("/api/v1/nodes/nope/proxy/healthz", 404, 'nodes "nope" not found'),
        (f"{BASE}/pods/ftp:web:21/proxy/", 400, 'invalid pod request "ftp:web:21"'),
        (f"{BASE}/pods/web:99999/proxy/", 400, 'invalid pod request "web:99999"'),
        ("/api/v1/nodes/node-1:2379/proxy/", 400, "address not allowed"),
        (f"{BASE}/pods/web:81/proxy/", 503, "error trying to reach service: dial tcp"),
    ],
)
def test_what_cannot_be_reached_is_said(running: Running, path: str, code: int, text: str) -> None:
    reply = ask(running, "GET", path)
    assert reply.code == code
    assert text in json.loads(reply.text)["message"]


def test_the_paths_of_a_kubelet(running: Running) -> None:
    base = "/api/v1/nodes/node-1/proxy"
    assert ask(running, "GET", f"{base}/healthz").text == "ok"
    names = {item["metadata"]["name"] for item in json.loads(ask(running, "GET", f"{base}/pods").text)["items"]}
    assert {"web", "shell"} <= names
    stats = json.loads(ask(running, "GET", f"{base}/stats/summary").text)
    assert {each["podRef"]["name"] for each in stats["pods"]} >= {"web", "shell"}
    text = ask(running, "GET", "/api/v1/nodes/node-1:10250/proxy/metrics/resource").text
    assert 'container_memory_working_set_bytes{container="c",namespace="default",pod="web"}' in text
    assert ask(running, "GET", f"{base}/nothing").code == 404


def test_an_upgrade_of_any_kind_goes_through(running: Running) -> None:
    running.run(pod("switch", listens=7000, command=[sys.executable, "-c", SWITCH]))
    host, _, port = running.cluster.rest_url.removeprefix("https://").partition(":")
    for wish, answer in (("shout", b"101"), ("whisper", b"403")):
        with context().wrap_socket(socket.create_connection((host, int(port)), timeout=20)) as connection:
            lines = [
                f"GET {BASE}/pods/switch:7000/proxy/ HTTP/1.1",
                f"Host: {host}",
                f"Authorization: Bearer {running.cluster.token}",
                "Connection: Upgrade",
                f"Upgrade: {wish}",
            ]
            connection.sendall("\r\n".join([*lines, "", ""]).encode())
            stream = connection.makefile("rwb")
            head = b"".join(iter(stream.readline, b"\r\n"))
            assert head.startswith(b"HTTP/1.1 " + answer)
            if answer == b"101":
                stream.write(b"hello\n")
                stream.flush()
                assert stream.readline() == b"HELLO\n"
            stream.close()


def test_https_without_a_certificate_that_anybody_knows(running: Running) -> None:
    issued = Pki.open(running.folder / "other-pki").issue("x", (), ("x",))
    file = running.folder / "server.pem"
    file.write_bytes(issued.key + b"\n" + issued.certificate)
    running.run(pod("secure", listens=8443, command=[sys.executable, "-c", SECURE.replace("CERT", str(file))]))
    reply = ask(running, "GET", f"{BASE}/pods/https:secure:8443/proxy/")
    assert (reply.code, reply.text) == (200, "secret")


def test_kubectl_proxy_serves_the_api_on_loopback(running: Running) -> None:
    with running.popen("kubectl", "proxy", "--port=0") as process:
        assert process.stdout is not None
        port = process.stdout.readline().split(b":")[-1].strip().decode()
        socket = websocket.create_connection(
            f"ws://127.0.0.1:{port}{BASE}/pods/shell/log", subprotocols=["binary.k8s.io"], timeout=20
        )
        assert socket.recv() == b"begun\n"
        socket.shutdown()


@pytest.mark.parametrize(("name", "wanted"), [("binary.k8s.io", b"begun\n"), ("base64.binary.k8s.io", "YmVndW4K")])
def test_a_log_over_a_websocket(running: Running, name: str, wanted: bytes | str) -> None:
    url = running.cluster.rest_url.replace("https", "wss") + f"{BASE}/pods/shell/log"
    header = [f"Authorization: Bearer {running.cluster.token}"]
    options = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
    connection = websocket.create_connection(url, sslopt=options, header=header, subprotocols=[name], timeout=20)
    assert connection.recv() == wanted
    assert connection.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE
    connection.shutdown()
