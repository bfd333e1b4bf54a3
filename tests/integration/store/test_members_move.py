"""A client whose store has moved: it asks the members where they are."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from kube_actors.aio.tasks import Tasks
from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.server import Listener, Server, Service
from kube_actors.store.client_members import follow_members, serving
from kube_actors.store.server import StoreConfig, StoreServer


class Elsewhere:
    """A member that knows of another one, and of a learner."""

    def __init__(self, address: str) -> None:
        self._members = [
            pb.Member(ID=1, name="m1", clientURLs=[f"https://{address}"]),
            pb.Member(ID=2, name="m2", clientURLs=["https://127.0.0.1:1"], isLearner=True),
            pb.Member(ID=3),
        ]

    async def MemberList(self, request: Any, call: Any) -> pb.MemberListResponse:
        return pb.MemberListResponse(members=self._members)


async def test_calls_go_where_the_members_say_they_are(tmp_path: Path) -> None:
    store = StoreServer(StoreConfig((Listener("127.0.0.1:0"),), tmp_path))
    await store.start()
    services = pb.DESCRIPTOR.services_by_name
    old = Server([Listener("127.0.0.1:0")], [Service(services["Cluster"], Elsewhere(store.addresses[0]))])
    await old.start()
    channel = Channel(old.addresses)
    kv = Stub(channel, services["KV"])
    tasks = Tasks("test")
    tasks.spawn_forever(follow_members(channel, old.addresses, every=0.02), "members")
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    await kv.unary("Put", pb.PutRequest(key=b"a", value=b"1"), 5)
                    break
                except RpcError:  # the old server has no such service
                    await asyncio.sleep(0.02)
        await old.stop(0)
        await kv.unary("Put", pb.PutRequest(key=b"a", value=b"2"), 5)
    finally:
        await tasks.stop()
        await channel.close()
        await old.stop(0)
        await store.stop()


def test_who_has_no_address_or_no_vote_is_not_asked() -> None:
    assert serving(Elsewhere("10.0.0.1:2379")._members) == {"10.0.0.1:2379"}
