"""A conversation between a client's channels and a session with a container."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj, errors
from kube_actors.apiserver.rest.connect.protocols import STDERR, STDOUT
from kube_actors.apiserver.streams import ExecOptions
from kube_actors.apiserver.streams import status as statuses
from kube_actors.rpc.channel import Conversation
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2 as pb

Write = Callable[[pb.ExecInput], Awaitable[None]]


class Channels(Protocol):
    """The client's side."""

    async def send(self, channel: int, data: bytes) -> None:
        """Raises ConnectionError where the client has gone."""

    async def feed(self, write: Write) -> None:
        """Give on what the client sends; returns when it has gone."""

    async def finish(self, status: Obj) -> None:
        """Say how it ended, and end."""


async def converse(session: Conversation, channels: Channels, options: ExecOptions) -> None:
    """Until the process ends or the client goes, which ends the session.

    The end of an exec is its exit code; an attach succeeds, and the pod's status has the code.
    """

    async def write(message: pb.ExecInput) -> None:
        try:
            await session.write(message)
        except RpcError:
            # The process has ended; its exit code is still to be read.
            return

    tasks = Tasks("remote")
    try:
        output = tasks.spawn(_output(session, channels, options), "output")
        client = tasks.spawn(_client(channels, write), "input")
        await asyncio.wait((output, client), return_when=asyncio.FIRST_COMPLETED)
        if output.done() and (status := output.result()) is not None:
            await channels.finish(status)
    finally:
        await tasks.stop()
        session.cancel()


async def _client(channels: Channels, write: Write) -> None:
    try:
        await channels.feed(write)
    except ConnectionError:
        return


async def _output(session: Conversation, channels: Channels, options: ExecOptions) -> Obj | None:
    """How the process ended; None where the client did not wait for it."""
    try:
        async for message in session:
            kind = message.WhichOneof("output")
            if kind == "stdout" and options.stdout:
                await channels.send(STDOUT, message.stdout)
            elif kind == "stderr" and options.separate_stderr:
                await channels.send(STDERR, message.stderr)
            elif kind == "exit_code":
                return statuses.of_exit(message.exit_code if options.command else 0)
    except ConnectionError:
        return None
    except errors.KubeActorsError as error:
        return statuses.of_error(error)
    return statuses.of_error(errors.Unavailable("the node ended the session"))


def stdin(data: bytes) -> pb.ExecInput:
    return pb.ExecInput(stdin=data)


def stdin_closed() -> pb.ExecInput:
    return pb.ExecInput(stdin_closed=True)


def resized(size: object) -> pb.ExecInput | None:
    """The message of a {"Width": …, "Height": …}; None for anything else."""
    if not isinstance(size, dict):
        return None
    width, height = size.get("Width", 0), size.get("Height", 0)
    if not (isinstance(width, int) and isinstance(height, int)) or not (0 <= width < 65536 and 0 <= height < 65536):
        return None
    return pb.ExecInput(resize=pb.TerminalSize(width=width, height=height))
