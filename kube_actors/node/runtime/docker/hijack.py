"""A call that turns its HTTP connection into a raw byte stream, as exec and attach do.

aiodocker's Stream closes both directions at once, so "end of stdin, then read the rest" (kubectl cp, `exec -i <
file`) cannot be said with it, and aiohttp keeps the transport private. The exchange is one request and one answer,
so it is spoken here directly.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import aiodocker

from kube_actors.node.runtime.docker.engine import CONNECT_SECONDS, UNREACHABLE, Engine

_READ_SIZE = 64 * 1024


class RawStream:
    """Both directions of an upgraded connection; each can be closed alone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        try:
            return await self._reader.read(_READ_SIZE)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        # The process may have ended; what is written to it then goes nowhere, as in a shell.
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    def write_eof(self) -> None:
        with suppress(OSError, RuntimeError):
            if self._writer.can_write_eof():
                self._writer.write_eof()

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


async def upgrade(engine: Engine, path: str, *, params: Mapping[str, str] | None = None, body: Any = None) -> RawStream:
    """POST and upgrade. Raises DockerError, as aiodocker does, where the engine refuses."""
    reader, writer = await _connect(engine)
    try:
        content = b"" if body is None else json.dumps(body).encode()
        target = f"/{engine.api_version}/{path}" + (f"?{urlencode(params)}" if params else "")
        head = (
            f"POST {target} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        writer.write(head.encode() + content)
        status, headers = await _read_head(reader)
        # 200: engines and proxies that do not announce the upgrade make it nevertheless.
        if status not in (101, 200):
            raise aiodocker.DockerError(status, await _read_message(reader, headers))
    except (ConnectionError, asyncio.IncompleteReadError, ValueError) as exc:
        writer.close()
        raise aiodocker.DockerError(UNREACHABLE, f"the Docker engine broke off: {exc}") from exc
    except BaseException:
        writer.close()
        raise
    return RawStream(reader, writer)


async def _connect(engine: Engine) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    endpoint = engine.endpoint
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            if endpoint.local:
                return await asyncio.open_unix_connection(endpoint.path)
            return await asyncio.open_connection(endpoint.host, endpoint.port, ssl=endpoint.tls)
    except OSError as exc:
        raise aiodocker.DockerError(UNREACHABLE, f"Cannot connect to the Docker engine: {exc}") from exc


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.LimitOverrunError as exc:
        raise ValueError("an answer without an end of its headers") from exc
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(lines[0].split(" ")[1]), headers


async def _read_message(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> str:
    size = headers.get("content-length", "")
    body = await reader.readexactly(int(size)) if size.isdigit() else await reader.read(_READ_SIZE)
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip()
