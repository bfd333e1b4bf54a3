"""The userspace backend with real sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from kube_actors.aio.clock import SystemClock
from kube_actors.network.services import Endpoint, ServicePort
from kube_actors.network.userspace import UserspaceBackend

CLUSTER_IP = "127.96.17.4"
PORT = 18080


def table(*endpoints: Endpoint, protocol: str = "TCP", affinity: int = 0) -> tuple[ServicePort, ...]:
    return (ServicePort("shop", "web", "", protocol, PORT, 0, (CLUSTER_IP,), (), endpoints, affinity_seconds=affinity),)


@pytest.fixture
async def backend() -> AsyncIterator[UserspaceBackend]:
    backend = UserspaceBackend(SystemClock())
    yield backend
    await backend.stop()


@contextlib.asynccontextmanager
async def http_like(ip: str) -> AsyncIterator[Endpoint]:
    """Answers what it was sent, in capitals, after the client's FIN, then its own address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper() + ip.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, ip, 0)
    async with server:
        yield Endpoint(ip, server.sockets[0].getsockname()[1])


async def ask(data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(CLUSTER_IP, PORT)
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_connection_reaches_an_endpoint_and_half_close_is_passed_on(backend: UserspaceBackend) -> None:
    async with http_like("127.130.0.2") as endpoint:
        await backend.apply(table(endpoint))
        assert await ask(b"hello ") == b"HELLO 127.130.0.2"


async def test_megabytes_pass_unchanged_in_both_directions(backend: UserspaceBackend) -> None:
    async with http_like("127.130.0.2") as endpoint:
        await backend.apply(table(endpoint))
        data = bytes(range(65, 91)) * 200_000
        assert await ask(data) == data + b"127.130.0.2"


async def test_connections_are_spread_over_endpoints_and_affinity_keeps_one(backend: UserspaceBackend) -> None:
    async with http_like("127.130.0.2") as first, http_like("127.130.0.3") as second:
        await backend.apply(table(first, second))
        assert {await ask(b"") for _ in range(40)} == {b"127.130.0.2", b"127.130.0.3"}
        await backend.apply(table(first, second, affinity=60))
        assert len({await ask(b"") for _ in range(20)}) == 1


async def test_an_endpoint_that_does_not_answer_is_passed_over(backend: UserspaceBackend) -> None:
    async with http_like("127.130.0.2") as endpoint:
        await backend.apply(table(endpoint, Endpoint("127.130.0.9", 1)))
        assert {await ask(b"") for _ in range(10)} == {b"127.130.0.2"}


async def test_a_service_without_endpoints_refuses(backend: UserspaceBackend) -> None:
    async with http_like("127.130.0.2") as endpoint:
        await backend.apply(table(endpoint))
        await backend.apply(table())
    with pytest.raises(ConnectionRefusedError):
        await ask(b"")


async def test_datagrams_go_there_and_back(backend: UserspaceBackend) -> None:
    loop = asyncio.get_running_loop()
    answers: asyncio.Queue[bytes] = asyncio.Queue(10)

    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.transport.sendto(data.upper(), addr)  # type: ignore[attr-defined]

    class Collect(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            answers.put_nowait(data)

    server, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.130.0.2", 0))
    port = server.get_extra_info("sockname")[1]
    await backend.apply(table(Endpoint("127.130.0.2", port), protocol="UDP"))
    client, _ = await loop.create_datagram_endpoint(Collect, remote_addr=(CLUSTER_IP, PORT))
    try:
        for word in (b"one", b"two"):
            client.sendto(word)
            assert await asyncio.wait_for(answers.get(), 5) == word.upper()
    finally:
        client.close()
        server.close()
