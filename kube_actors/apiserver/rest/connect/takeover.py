"""An HTTP/1.1 connection taken from aiohttp, as two byte streams. aiohttp itself upgrades to WebSockets only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from kube_actors.apiserver.rest.connect.pump import READ, StreamPipe


class Upgraded(StreamPipe):
    """The raw connection after a 101. Its client's disappearance cancels the request's handler, as ever."""

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class Taken(web.StreamResponse):
    """Stands for an answer that was given on the raw connection: aiohttp shall send nothing."""

    def __init__(self) -> None:
        super().__init__(status=101)
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return


class _Protocol(asyncio.StreamReaderProtocol):
    def __init__(self, reader: asyncio.StreamReader, http: asyncio.BaseProtocol) -> None:
        super().__init__(reader)
        self._http = http

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._http.connection_lost(exc)


def take_over(request: web.BaseRequest, head: bytes) -> Upgraded:
    """Answer with `head` and own the connection from then on. Raises ConnectionResetError where it is gone."""
    transport, http = request.transport, request.protocol
    if transport is None:
        raise ConnectionResetError("the client has gone")
    reader = asyncio.StreamReader(limit=READ)
    protocol = _Protocol(reader, http)
    protocol.connection_made(transport)
    transport.set_protocol(protocol)
    transport.write(head)
    with suppress(RuntimeError):
        # aiohttp may have paused it; that it was not is an error with some event loops.
        transport.resume_reading()
    return Upgraded(reader, asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop()))


def switching(upgrade: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """The head of a 101 answer."""
    lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", f"Upgrade: {upgrade}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
