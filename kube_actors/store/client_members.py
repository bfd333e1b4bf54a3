"""Where the members of a store are, asked of the store itself: one that was replaced is elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import etcd_pb2 as pb

log = structlog.get_logger(__name__)

EVERY_SECONDS = 15.0
TIMEOUT = 5.0


async def follow_members(channel: Channel, addresses: Sequence[str], every: float = EVERY_SECONDS) -> None:
    """Point the channel at the members as they are now, for good. A store that does not answer is asked again."""
    known = frozenset(addresses)
    stub = Stub(channel, pb.DESCRIPTOR.services_by_name["Cluster"])
    while True:
        await asyncio.sleep(every)
        try:
            answer = await stub.unary("MemberList", pb.MemberListRequest(), TIMEOUT)
        except RpcError:
            continue
        found = serving(answer.members)
        if found and found != known:
            log.info("the store's members have moved", before=sorted(known), now=sorted(found))
            channel.use(sorted(found))
            known = found


def serving(members: Iterable[Any]) -> frozenset[str]:
    """The addresses (HOST:PORT) of those that have published one and have a vote."""
    urls = (member.clientURLs[0] for member in members if member.clientURLs and not member.isLearner)
    return frozenset(url.rpartition("/")[2] for url in urls)
