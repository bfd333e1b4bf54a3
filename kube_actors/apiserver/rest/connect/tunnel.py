"""Upgrades of proxied requests: the head is passed on, and after a 101 bytes go both ways untouched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web
from multidict import CIMultiDict

from kube_actors.aio.tasks import Tasks
from kube_actors.apiserver.rest.connect.pump import READ
from kube_actors.apiserver.rest.connect.reach import Location, unverified
from kube_actors.apiserver.rest.connect.takeover import Taken, Upgraded, take_over
from kube_actors.apiserver.rest.exchange import Answer, Exchange

MAX_HEAD = 64 * 1024
HEAD_SECONDS = 60.0


async def tunnel(
    exchange: Exchange, location: Location, target: str, headers: Mapping[str, str], tasks: Tasks
) -> Answer:
    """Raises OSError where the server cannot be reached or does not speak HTTP."""
    secure = location.scheme == "https"
    reader, writer = await asyncio.open_connection(
        sock=await location.dial(tasks),
        ssl=unverified() if secure else None,
        server_hostname="" if secure else None,
        limit=MAX_HEAD,
    )
    try:
        lines = [f"{exchange.request.method} {target} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        status = _status(head)
        if status != 101:
            return await _refused(exchange, head, status, reader)
        exchange.began(Taken())
        client = take_over(exchange.request, head)
        try:
            await _both_ways(client, reader, writer)
        finally:
            await client.close()
        return Answer(b"", 101)
    except asyncio.LimitOverrunError as error:
        raise ConnectionError("an answer without an end of its headers") from error
    finally:
        writer.close()


async def _both_ways(client: Upgraded, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until either side has ended."""

    async def upward() -> None:
        try:
            while data := await client.read():
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return

    async def downward() -> None:
        try:
            while data := await reader.read(READ):
                await client.write(data)
        except ConnectionError:
            return

    tasks = Tasks("tunnel")
    try:
        await asyncio.wait(
            (tasks.spawn(upward(), "up"), tasks.spawn(downward(), "down")), return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        await tasks.stop()


async def _refused(exchange: Exchange, head: bytes, status: int, reader: asyncio.StreamReader) -> Answer:
    """The server did not switch: its answer is passed on, and the connection ends with it."""
    headers: CIMultiDict[str] = CIMultiDict()
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name and name.lower() not in ("connection", "transfer-encoding", "content-length", "keep-alive"):
            headers.add(name.strip(), value.strip())
    response = web.StreamResponse(status=status, headers=headers)
    response.force_close()
    exchange.began(response)
    await response.prepare(exchange.request)
    sizes = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    body = await reader.readexactly(int(sizes[0])) if sizes else await reader.read(MAX_HEAD)
    await response.write(body)
    await response.write_eof()
    return Answer(b"", status)


def _status(head: bytes) -> int:
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1][:3].isdigit():
        raise ConnectionError("malformed HTTP response")
    return int(words[1][:3])
