"""Exec and attach: a session's input comes as a stream of messages, its output goes as one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from kube_actors.aio.tasks import Tasks
from kube_actors.api.errors import BadRequest, InternalError
from kube_actors.node.runtime.interface import ExecSession, RuntimeFailure
from kube_actors.node.streams.target import Targets, running
from kube_actors.rpc.pb import api_pb2 as pb

STDERR = 2


async def execute(targets: Targets, requests: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """Run a command in a container."""
    opening = await _opening(requests)
    ref = opening.ref
    target = await targets.container(ref.namespace, ref.pod, ref.container, ref.uid)
    run = running(target)
    try:
        session = await target.runtime.exec(run.id, tuple(opening.command), stdin=opening.stdin, tty=opening.tty)
    except RuntimeFailure as error:
        raise InternalError(f"error executing command in container: {error}") from error
    async with aclosing(_converse(session, requests)) as outputs:
        async for output in outputs:
            yield output


async def attach(targets: Targets, requests: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """Take part in the streams of a container's main process; its spec says whether they are a terminal."""
    opening = await _opening(requests)
    ref = opening.ref
    target = await targets.container(ref.namespace, ref.pod, ref.container, ref.uid)
    run = running(target)
    try:
        session = await target.runtime.attach(run.id, stdin=opening.stdin, tty=bool(target.view.spec.get("tty")))
    except RuntimeFailure as error:
        raise InternalError(f"error attaching to container: {error}") from error
    async with aclosing(_converse(session, requests)) as outputs:
        async for output in outputs:
            yield output


async def _opening(requests: AsyncIterator[Any]) -> Any:
    async for request in requests:
        if request.WhichOneof("input") == "open":
            return request.open
        break
    raise BadRequest("the first message of a session has to open it")


async def _converse(session: ExecSession, requests: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """Input in a task beside the output; the session ends with the output, or with the caller."""
    tasks = Tasks("exec")
    tasks.spawn(_feed(session, requests), "stdin")
    try:
        yield pb.ExecOutput(opened=True)
        async with aclosing(session.output()) as chunks:  # type: ignore[type-var]
            async for stream, data in chunks:
                yield pb.ExecOutput(stderr=data) if stream == STDERR else pb.ExecOutput(stdout=data)
        yield pb.ExecOutput(exit_code=await session.wait())
    finally:
        await tasks.stop()
        await session.close()


async def _feed(session: ExecSession, requests: AsyncIterator[Any]) -> None:
    try:
        async for request in requests:
            kind = request.WhichOneof("input")
            if kind == "stdin":
                await session.write_stdin(request.stdin)
            elif kind == "stdin_closed":
                await session.close_stdin()
            elif kind == "resize":
                await session.resize(request.resize.width, request.resize.height)
    except (RuntimeFailure, ConnectionError):
        # The process has ended or closed its input: what it said until then still goes to the user.
        return
