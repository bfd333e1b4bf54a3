"""etcd's Cluster and Maintenance API, one endpoint at a time: who is a member and how it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from kube_actors.cluster.etcd.membership import Member, MemberState, View
from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.tls import ClientTLS
from kube_actors.store.errors import EtcdError, StoreUnavailable, from_text

STATUS_SECONDS = 2.0
CHANGE_SECONDS = 10.0
DEFRAGMENT_SECONDS = 300.0


class Endpoint:
    """One address of a store. Refusals are raised as `kube_actors.store.errors`."""

    def __init__(self, address: str, tls: ClientTLS | None) -> None:
        self.address = address
        self._channel = Channel([address], tls)
        services = pb.DESCRIPTOR.services_by_name
        self._kv = Stub(self._channel, services["KV"])
        self._cluster = Stub(self._channel, services["Cluster"])
        self._maintenance = Stub(self._channel, services["Maintenance"])

    async def close(self) -> None:
        await self._channel.close()

    async def status(self, seconds: float = STATUS_SECONDS) -> MemberState:
        """What the endpoint itself knows; it answers without a quorum, too."""
        answer = await _ask(self._maintenance, "Status", pb.StatusRequest(), seconds)
        return MemberState(
            id=answer.header.member_id,
            leader=answer.leader,
            learner=answer.isLearner,
            version=answer.version,
            db_size=answer.dbSize,
            db_in_use=answer.dbSizeInUse,
            applied=answer.raftAppliedIndex,
            errors=tuple(answer.errors),
        )

    async def members(self) -> tuple[Member, ...]:
        """The membership as the endpoint knows it."""
        answer = await _ask(self._cluster, "MemberList", pb.MemberListRequest(), STATUS_SECONDS)
        return tuple(map(_member, answer.members))

    async def confirmed_members(self) -> tuple[Member, ...]:
        """The membership, by an endpoint that has just been confirmed by a quorum to be up to date.

        etcd 3.4 answers MemberList from what it has applied. A linearizable read before it makes it
        apply everything that was decided until then.
        """
        await _ask(self._kv, "Range", pb.RangeRequest(key=b"\0", count_only=True), STATUS_SECONDS)
        return await self.members()

    async def add_learner(self, peer_url: str) -> tuple[int, tuple[Member, ...]]:
        """The new member's id, and all members."""
        request = pb.MemberAddRequest(peerURLs=[peer_url], isLearner=True)
        answer = await _ask(self._cluster, "MemberAdd", request, CHANGE_SECONDS)
        return int(answer.member.ID), tuple(map(_member, answer.members))

    async def remove(self, member_id: int) -> None:
        await _ask(self._cluster, "MemberRemove", pb.MemberRemoveRequest(ID=member_id), CHANGE_SECONDS)

    async def promote(self, member_id: int) -> None:
        await _ask(self._cluster, "MemberPromote", pb.MemberPromoteRequest(ID=member_id), CHANGE_SECONDS)

    async def defragment(self) -> None:
        await _ask(self._maintenance, "Defragment", pb.DefragmentRequest(), DEFRAGMENT_SECONDS)


class Endpoints:
    """The endpoints of one store, connected as they are asked. The addresses may change over time."""

    def __init__(self, tls: ClientTLS | None) -> None:
        self._tls = tls
        self._known: dict[str, Endpoint] = {}

    def at(self, address: str) -> Endpoint:
        if address not in self._known:
            self._known[address] = Endpoint(address, self._tls)
        return self._known[address]

    async def close(self) -> None:
        known, self._known = self._known, {}
        for endpoint in known.values():
            await endpoint.close()

    async def states(self, addresses: Sequence[str]) -> dict[str, MemberState | EtcdError]:
        """Each endpoint's own word, or why there is none; all are asked at once."""
        answers = await asyncio.gather(*(self.at(each).status() for each in addresses), return_exceptions=True)
        return dict(zip(addresses, map(_outcome, answers), strict=True))

    async def view(self, addresses: Sequence[str]) -> tuple[View, Endpoint] | None:
        """The membership with how all are, and an endpoint that has a quorum; None where none of them has."""
        answers = await asyncio.gather(
            *(self.at(each).confirmed_members() for each in addresses), return_exceptions=True
        )
        for address, answer in zip(addresses, answers, strict=True):
            if isinstance(answer, tuple):
                states = await self.states(_addresses(answer, addresses))
                answered = tuple(state for state in states.values() if isinstance(state, MemberState))
                return View(answer, _once_each(answered)), self.at(address)
            _outcome(answer)
        return None


def _addresses(members: Sequence[Member], known: Sequence[str]) -> list[str]:
    """Where the members say they are, and where we know them to be."""
    published = (url.rpartition("/")[2] for member in members for url in member.client_urls)
    return list(dict.fromkeys((*known, *published)))


def _once_each(states: Sequence[MemberState]) -> tuple[MemberState, ...]:
    return tuple({state.id: state for state in states}.values())


def _outcome(answer: Any) -> Any:
    """The answer or the refusal; anything else is a fault of ours."""
    if isinstance(answer, BaseException) and not isinstance(answer, EtcdError):
        raise answer
    return answer


async def _ask(stub: Stub, method: str, request: Any, seconds: float) -> Any:
    try:
        # The channel's own reconnecting may outlast the deadline of a call.
        async with asyncio.timeout(seconds + 0.5):
            return await stub.unary(method, request, seconds)
    except RpcError as error:
        raise from_text(error.message, error.code) from error
    except TimeoutError as error:
        raise StoreUnavailable(f"no answer within {seconds:.0f} s") from error


def _member(message: Any) -> Member:
    return Member(
        id=message.ID,
        name=message.name,
        peer_urls=tuple(message.peerURLs),
        client_urls=tuple(message.clientURLs),
        learner=message.isLearner,
    )
