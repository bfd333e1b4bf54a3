"""Exec, Attach and PortForward of the gRPC API: relays between the user's stream and the node agent's.

The messages of both are the same; the first is checked and gets the pod's uid, the others are passed on unread.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractContextManager, aclosing, suppress
from typing import Any

from kube_actors.aio.tasks import Tasks
from kube_actors.api import errors
from kube_actors.api.resources import PODS
from kube_actors.apiserver.grpc_api.auditing import Caller, Record, Wanted, pod_ref
from kube_actors.apiserver.request import Request, Target, User
from kube_actors.apiserver.streams import ExecOptions, Streams
from kube_actors.rpc.channel import Conversation
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2 as pb

VERBS = ("create",)
# The code of a session that stands: 101 Switching Protocols.
SWITCHED = 101
# From what is asked for to who asks, and the record of it.
Opener = Callable[[Wanted], tuple[Caller, AbstractContextManager[Record]]]


async def command(
    streams: Streams, open_for: Opener, subresource: str, requests: AsyncIterator[pb.ExecInput]
) -> AsyncGenerator[pb.ExecOutput, None]:
    """exec or attach."""
    opening = await anext(requests, pb.ExecInput())
    if opening.WhichOneof("input") != "open":
        raise errors.BadRequest("the first message of a session has to open it")
    wanted = opening.open
    options = ExecOptions(
        tuple(wanted.command), wanted.ref.container, wanted.stdin, wanted.stdout, wanted.stderr, wanted.tty
    )
    options.check()
    caller, recording = open_for(_wanted(wanted.ref, subresource, _query(options)))
    with recording as record:
        pod = await streams.of_container(
            _request(caller.user, wanted.ref, subresource, record), VERBS, options.container
        )
        session = await pod.open(subresource, options)
        record.started(SWITCHED)
        async with aclosing(_relay(session, requests, pb.ExecOutput(opened=True))) as messages:
            async for message in messages:
                yield message


async def port_forward(
    streams: Streams, open_for: Opener, requests: AsyncIterator[pb.DialData]
) -> AsyncGenerator[pb.DialData, None]:
    """A connection to a port of a pod."""
    opening = await anext(requests, pb.DialData())
    if not (opening.ref.pod and 0 < opening.port < 65536):
        raise errors.BadRequest("the first message of a connection has to name a pod and a port")
    caller, recording = open_for(_wanted(opening.ref, "portforward", (("ports", str(opening.port)),)))
    with recording as record:
        pod = await streams.of_pod(_request(caller.user, opening.ref, "portforward", record), VERBS)
        session = await pod.dial(opening.port)
        record.started(SWITCHED)
        async with aclosing(_relay(session, requests, pb.DialData())) as messages:
            async for message in messages:
                yield message


async def _relay(session: Conversation, requests: AsyncIterator[Any], first: Any) -> AsyncGenerator[Any, None]:
    tasks = Tasks("relay")

    async def upward() -> None:
        # The session may end before its user does.
        with suppress(RpcError):
            async for message in requests:
                await session.write(message)
            await session.done_writing()

    try:
        yield first
        tasks.spawn(upward(), "upward")
        async for message in session:
            yield message
    finally:
        await tasks.stop()
        session.cancel()


def _wanted(ref: pb.ContainerRef, subresource: str, query: tuple[tuple[str, str], ...]) -> Wanted:
    return Wanted("create", pod_ref(ref.namespace, ref.pod, subresource), query=query)


def _query(options: ExecOptions) -> tuple[tuple[str, str], ...]:
    flags = [(name, "true") for name in ("stdin", "stdout", "stderr", "tty") if getattr(options, name)]
    return (*(("command", part) for part in options.command), ("container", options.container), *flags)


def _request(user: User, ref: pb.ContainerRef, subresource: str, record: Record) -> Request:
    target = Target(PODS, ref.namespace, ref.pod, subresource)
    return Request(user, target, audit_annotations=record.annotations)
