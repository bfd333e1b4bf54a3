"""Port-forward as kubectl does it, over its WebSocket tunnel and over SPDY, and as the Python client does it."""

from __future__ import annotations

import re
import socket
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.integration.streams.conftest import Running, pod
from tests.programs import Program

TRANSPORTS = [{}, {"KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}]
each_transport = pytest.mark.parametrize("transport", TRANSPORTS, ids=["websocket", "spdy"])

# Answers, when its client has said everything, with as many bytes as it got, and then all of them again.
MIRROR = """
import os, socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        data = self.rfile.read()
        self.wfile.write(b"%d\\n" % len(data) + data)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
Server((os.environ["POD_IP"], 9000), Handler).serve_forever()
"""


@contextmanager
def forwarded(running: Running, *words: str, **env: str) -> Iterator[tuple[int, Program]]:
    """kubectl port-forward at work: the local port, and the process."""
    with running.popen("kubectl", "port-forward", *words, env=env) as process:
        assert process.stdout is not None
        found = re.search(rb"127.0.0.1:(\d+)", process.stdout.readline())
        assert found
        yield int(found[1]), process


def fetch(port: int, path: str = "/") -> str:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        f"http://127.0.0.1:{port}{path}", timeout=20
    ) as answer:
        return answer.read().decode()


def everything(port: int, data: bytes) -> bytes:
    """Say all, end, and read all."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture(scope="module")
def mirror(running: Running) -> None:
    running.run(pod("mirror", listens=9000, command=[sys.executable, "-c", MIRROR]))


@each_transport
def test_many_connections_through_one_tunnel(running: Running, transport: dict[str, str]) -> None:
    with forwarded(running, "pod/web", ":8080", **transport) as (port, _):
        assert [fetch(port, f"/{number}") for number in range(20)] == [f"GET /{number} " for number in range(20)]


@each_transport
def test_a_half_closed_connection_gets_its_answer(running: Running, mirror: None, transport: dict[str, str]) -> None:
    data = bytes(range(256)) * 8000
    with forwarded(running, "pod/mirror", ":9000", **transport) as (port, _):
        answer = everything(port, data)
    assert answer == b"%d\n" % len(data) + data


@each_transport
def test_a_port_on_which_nobody_listens_is_refused_with_a_reason(running: Running, transport: dict[str, str]) -> None:
    with forwarded(running, "pod/web", ":81", **transport) as (port, process):
        assert everything(port, b"x") == b""
        assert process.stderr is not None
        complaint = process.stderr.readline().decode()
    assert "error forwarding port 81 to pod web" in complaint
    assert "connect: connection refused" in complaint


def test_a_service_and_a_named_port(running: Running) -> None:
    running.kubectl("expose", "pod", "web", "--name=named", "--port=80", "--target-port=http")
    with forwarded(running, "service/named", ":80") as (port, _):
        assert fetch(port, "/named") == "GET /named "
    running.kubectl("delete", "service", "named")


# In a process of its own: the client's threads and sockets have no end.
PYTHON_CLIENT = """
from kubernetes import client, config
from kubernetes.stream import portforward
config.load_kube_config()
core = client.CoreV1Api()
forward = portforward(core.connect_get_namespaced_pod_portforward, "web", "default", ports="8080,81")
connection = forward.socket(8080)
connection.settimeout(20)
connection.sendall(b"GET /python HTTP/1.1\\r\\nHost: web\\r\\nConnection: close\\r\\n\\r\\n")
answer = b""
while b"GET /python" not in answer:
    answer += connection.recv(65536)
connection.close()
refused = forward.socket(81)
refused.settimeout(20)
print(refused.recv(1), forward.error(81))
"""


def test_the_python_client_forwards_two_ports(running: Running) -> None:
    said = running.call(sys.executable, "-c", PYTHON_CLIENT)
    assert said.startswith("b'' error forwarding port 81 to pod web")
    assert said.endswith("connect: connection refused\n")
