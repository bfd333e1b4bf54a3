"""Bytes between a connection of a node agent and a client's pipe, each direction to its own end."""

from __future__ import annotations

import asyncio
from typing import Protocol

from kube_actors.aio.tasks import Tasks
from kube_actors.api import errors
from kube_actors.rpc.channel import Conversation
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2 as pb


class Pipe(Protocol):
    """The client's end. All may raise ConnectionError, which ends the connection."""

    async def read(self) -> bytes:
        """b"" at the end of what the client sends."""

    async def write(self, data: bytes) -> None: ...

    async def end(self) -> None:
        """The pod will send no more."""


# The most that is read at once.
READ = 64 * 1024


class StreamPipe:
    """A Pipe over asyncio's streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        return await self._reader.read(READ)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def end(self) -> None:
        self._writer.write_eof()


async def pump(connection: Conversation, pipe: Pipe) -> None:
    """Until the pod's side has ended, or the client is gone."""
    tasks = Tasks("pump")
    upward = tasks.spawn(_upward(connection, pipe), "upward")
    downward = tasks.spawn(_downward(connection, pipe), "downward")
    try:
        await asyncio.wait((upward, downward), return_when=asyncio.FIRST_COMPLETED)
        # The client may have said its last word long before the answer comes; a client that is gone waits for none.
        if upward.done() and upward.result():
            await downward
    finally:
        await tasks.stop()
        connection.cancel()


async def _upward(connection: Conversation, pipe: Pipe) -> bool:
    """False where the client has gone."""
    try:
        while data := await pipe.read():
            await connection.write(pb.DialData(data=data))
        await connection.write(pb.DialData(closed=True))
    except RpcError:
        return True
    except ConnectionError:
        return False
    return True


async def _downward(connection: Conversation, pipe: Pipe) -> None:
    try:
        async for message in connection:
            if message.data:
                await pipe.write(message.data)
            if message.closed:
                break
        await pipe.end()
    except (errors.KubeActorsError, ConnectionError):
        return
