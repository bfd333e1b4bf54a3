"""Checks of probes against real sockets, in the words of Go's network stack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing, suppress
from typing import Any

import pytest

from kube_actors.node.prober.checks import http_get, tcp_connect
from kube_actors.node.prober.grpc import HEALTH, grpc_check
from kube_actors.rpc.pb import health_pb2
from kube_actors.rpc.server import Call, Listener, Server, Service

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Answer], Awaitable[int]]]:
    servers: list[asyncio.Server] = []

    async def begin(answer: Answer) -> int:
        servers.append(await asyncio.start_server(answer, "127.0.0.1", 0))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield begin
    for server in servers:
        server.close()
        await server.wait_closed()


def answering(text: bytes, seen: list[bytes] | None = None, delay: float = 0.0) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            if seen is not None:
                seen.append(request)
            await asyncio.sleep(delay)
            writer.write(text)

    return answer


async def test_two_and_three_hundreds_are_good(serve: Any) -> None:
    seen: list[bytes] = []
    port = await serve(answering(b"HTTP/1.1 204 No Content\r\n\r\n", seen))
    headers = [{"name": "X-A", "value": "b"}, {"name": "host", "value": "example.com"}]
    result = await http_get({"port": "web", "path": "healthz", "httpHeaders": headers}, "127.0.0.1", {"web": port}, 1)
    assert result.ok
    assert seen[0].startswith(b"GET /healthz HTTP/1.1\r\nHost: example.com\r\nUser-Agent: kube-probe/1.36\r\n")
    assert b"X-A: b\r\n" in seen[0]
    moved = await http_get({"port": await serve(answering(b"HTTP/1.1 301 Moved\r\n\r\nto"))}, "127.0.0.1", {}, 1)
    assert moved.ok
    assert moved.warning
    assert moved.output == "Probe terminated redirects, Response body: to"


async def test_redirects_are_followed_on_the_same_host_only(serve: Any) -> None:
    def redirect(to: str) -> bytes:
        return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\n\r\nsee there".encode()

    bad = await serve(answering(b"HTTP/1.1 503 No\r\n\r\n"))
    lost = await http_get({"port": await serve(answering(redirect(f"http://127.0.0.1:{bad}/x")))}, "127.0.0.1", {}, 2)
    assert (lost.ok, lost.output) == (False, "HTTP probe failed with statuscode: 503")
    away = await http_get({"port": await serve(answering(redirect(f"http://127.0.0.2:{bad}/x")))}, "127.0.0.1", {}, 2)
    assert (away.ok, away.warning) == (True, True)
    port = await serve(answering(redirect("/again")))
    circle = await http_get({"port": port}, "127.0.0.1", {}, 5)
    assert (circle.ok, circle.output) == (False, f'Get "http://127.0.0.1:{port}/": stopped after 10 redirects')


async def test_other_answers_say_their_code(serve: Any) -> None:
    port = await serve(answering(b"HTTP/1.1 503 Busy\r\n\r\n"))
    result = await http_get({"port": port}, "127.0.0.1", {}, 1)
    assert (result.ok, result.output) == (False, "HTTP probe failed with statuscode: 503")


async def test_a_slow_or_broken_server_is_bad(serve: Any) -> None:
    slow = await http_get({"port": await serve(answering(b"", delay=0.15))}, "127.0.0.1", {}, 0.05)
    assert slow.output.endswith("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
    broken = await http_get({"port": await serve(answering(b"what\r\n"))}, "127.0.0.1", {}, 1)
    assert "malformed HTTP response" in broken.output
    silent = await http_get({"port": await serve(answering(b""))}, "127.0.0.1", {}, 1)
    assert silent.output.endswith("EOF")


async def test_nobody_there_is_connection_refused(unused_tcp_port: int) -> None:
    port = unused_tcp_port
    http = await http_get({"port": port, "path": "/x"}, "127.0.0.1", {}, 1)
    assert http.output == f'Get "http://127.0.0.1:{port}/x": dial tcp 127.0.0.1:{port}: connect: connection refused'
    tcp = await tcp_connect({"port": port}, "127.0.0.1", {}, 1)
    assert tcp.output == f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert "failed to connect" in (await grpc_check({"port": port}, "127.0.0.1", 1)).output


async def test_an_unknown_port_says_nothing_about_the_container() -> None:
    assert (await http_get({"port": "web"}, "127.0.0.1", {}, 1)).unknown
    assert (await tcp_connect({"port": "web"}, "127.0.0.1", {}, 1)).unknown


async def test_a_listening_port_is_good(serve: Any) -> None:
    assert (await tcp_connect({"port": await serve(answering(b""))}, "127.0.0.1", {}, 1)).ok
    await asyncio.sleep(0.05)  # the server sees the end of the connection


async def test_grpc_health_is_asked_for_the_service() -> None:
    class Health:
        async def Check(self, request: Any, call: Call) -> Any:
            status = health_pb2.HealthCheckResponse.SERVING if request.service == "up" else 2
            return health_pb2.HealthCheckResponse(status=status)

    server = Server([Listener("127.0.0.1:0")], [Service(HEALTH, Health())])
    await server.start()
    port = int(server.addresses[0].rpartition(":")[2])
    assert (await grpc_check({"port": port, "service": "up"}, "127.0.0.1", 1)).ok
    down = await grpc_check({"port": port}, "127.0.0.1", 1)
    assert down.output == 'service unhealthy (responded with "NOT_SERVING")'
    await server.stop()
