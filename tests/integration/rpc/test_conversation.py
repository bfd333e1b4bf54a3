"""Streams in both directions over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kube_actors.aio.tasks import Tasks
from kube_actors.api.errors import NotFound
from kube_actors.rpc.channel import Channel, Conversation, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2 as pb
from kube_actors.rpc.pb import node_pb2
from kube_actors.rpc.server import Call, Listener, Server, Service

ROUNDS = 200
ANSWERS = 20
SIZE = 2_000_000


class Brief:
    """Exec hears one message, answers many, and hangs up on whoever still talks; Attach tells how much it hears."""

    async def Attach(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        async for request in requests:
            yield pb.ExecOutput(stdout=b"%d" % len(request.stdin))

    async def Exec(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        async for request in requests:
            if request.stdin == b"refuse":
                raise NotFound("no such thing")
            break
        for number in range(ANSWERS):
            yield pb.ExecOutput(stdout=b"%d" % number)
        yield pb.ExecOutput(exit_code=3)


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    descriptor = node_pb2.DESCRIPTOR.services_by_name["Node"]
    server = Server([Listener("127.0.0.1:0")], [Service(descriptor, Brief())])
    await server.start()
    channel = Channel(list(server.addresses))
    yield Stub(channel, descriptor)
    await channel.close()
    await server.stop(0)


async def talk(conversation: Conversation) -> None:
    """Until the peer has hung up."""
    try:
        while True:
            await conversation.write(pb.ExecInput(stdin=b"more"))
    except RpcError:
        return


async def test_what_a_peer_said_before_it_hung_up_is_heard_by_who_still_talks(stub: Stub) -> None:
    tasks = Tasks("test")
    for _ in range(ROUNDS):
        conversation = stub.open("Exec")
        talking = tasks.spawn(talk(conversation), "talk")
        heard = [message async for message in _until_exit(conversation)]
        assert [message.stdout for message in heard[:-1]] == [b"%d" % number for number in range(ANSWERS)]
        assert heard[-1].exit_code == 3
        await talking


async def _until_exit(conversation: Conversation) -> AsyncIterator[Any]:
    while (message := await conversation.read()) is not None:
        yield message
        # Time for our writes to find out that the call has ended, with most of the answers unread.
        await asyncio.sleep(0)
        if message.WhichOneof("output") == "exit_code":
            return


async def test_who_still_talks_when_a_peer_refuses_hears_that_or_that_the_stream_has_ended(stub: Stub) -> None:
    for _ in range(ROUNDS):
        conversation = stub.open("Exec")
        await conversation.write(pb.ExecInput(stdin=b"refuse"))
        await talk(conversation)
        with pytest.raises((NotFound, RpcError)) as heard:
            await conversation.read()
        assert isinstance(heard.value, NotFound) or heard.value.code == "UNAVAILABLE"


async def test_several_tasks_write_to_one_stream(stub: Stub) -> None:
    # As keys and the sizes of a terminal come from tasks of their own; so much that a write takes its time.
    conversation = stub.open("Attach")
    async with asyncio.TaskGroup() as writers:
        for number in range(4):
            writers.create_task(conversation.write(pb.ExecInput(stdin=bytes(SIZE + number))))
    await conversation.done_writing()
    assert [int(message.stdout) async for message in conversation] == [SIZE + number for number in range(4)]
