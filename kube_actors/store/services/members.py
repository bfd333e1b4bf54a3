"""etcdserverpb.Cluster of a store that is one process: it can be looked at, not changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.server import Call
from kube_actors.store.engine import Engine
from kube_actors.store.errors import MemberNotFound, MemberNotLearner, MemberURLsInvalid, NotEnoughMembers
from kube_actors.store.services.messages import header


class ClusterService:
    """`urls` are the addresses clients reach it under."""

    def __init__(self, engine: Engine, name: str, urls: Callable[[], Sequence[str]]) -> None:
        self._engine = engine
        self._name = name
        self._urls = urls

    async def MemberList(self, request: pb.MemberListRequest, call: Call) -> pb.MemberListResponse:
        # It has no peers, so the peer address is where it is.
        urls = self._urls()
        member = pb.Member(ID=self._engine.member_id, name=self._name, peerURLs=urls, clientURLs=urls)
        return pb.MemberListResponse(header=header(self._engine), members=[member])

    async def MemberAdd(self, request: pb.MemberAddRequest, call: Call) -> pb.MemberAddResponse:
        if not request.peerURLs or not all(url.startswith(("http://", "https://")) for url in request.peerURLs):
            raise MemberURLsInvalid
        raise NotEnoughMembers

    async def MemberRemove(self, request: pb.MemberRemoveRequest, call: Call) -> pb.MemberRemoveResponse:
        self._known(request.ID)
        raise NotEnoughMembers

    async def MemberUpdate(self, request: pb.MemberUpdateRequest, call: Call) -> pb.MemberUpdateResponse:
        self._known(request.ID)
        raise NotEnoughMembers

    async def MemberPromote(self, request: pb.MemberPromoteRequest, call: Call) -> pb.MemberPromoteResponse:
        self._known(request.ID)
        raise MemberNotLearner

    def _known(self, member_id: int) -> None:
        if member_id != self._engine.member_id:
            raise MemberNotFound
