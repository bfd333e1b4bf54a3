"""etcdserverpb.KV."""

from __future__ import annotations

from typing import Any, TypeVar

from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.server import Call
from kube_actors.store.compaction import Compactor
from kube_actors.store.engine import Engine
from kube_actors.store.errors import MessageTooLarge, RequestTooLarge
from kube_actors.store.services.messages import header
from kube_actors.store.services.reading import check_range, read
from kube_actors.store.services.txn import apply_delete, apply_put, apply_txn, check_delete, check_put, check_txn

# A message may be this much larger than a request: etcd's gRPC layer refuses what is beyond.
MESSAGE_OVERHEAD = 512 << 10

_Answer = TypeVar("_Answer", pb.PutResponse, pb.DeleteRangeResponse, pb.TxnResponse)


class KVService:
    """Answers are given when what they say is durable."""

    def __init__(self, engine: Engine, compactor: Compactor, max_request_bytes: int) -> None:
        self._engine = engine
        self._compactor = compactor
        self._limit = max_request_bytes

    async def Range(self, request: pb.RangeRequest, call: Call) -> pb.RangeResponse:
        check_range(request)
        return await read(self._engine, request)

    async def Put(self, request: pb.PutRequest, call: Call) -> pb.PutResponse:
        self._check_size(request)
        check_put(request)
        with self._engine.transaction():
            answer = apply_put(self._engine, request)
        await self._engine.settled()
        return self._finished(answer)

    async def DeleteRange(self, request: pb.DeleteRangeRequest, call: Call) -> pb.DeleteRangeResponse:
        self._check_size(request)
        check_delete(request)
        answer = apply_delete(self._engine, request)
        await self._engine.settled()
        return self._finished(answer)

    async def Txn(self, request: pb.TxnRequest, call: Call) -> pb.TxnResponse:
        self._check_size(request)
        check_txn(request)
        answer = apply_txn(self._engine, request)
        await self._engine.settled()
        return self._finished(answer)

    async def Compact(self, request: pb.CompactionRequest, call: Call) -> pb.CompactionResponse:
        await self._compactor.compact(request.revision, physical=request.physical)
        return pb.CompactionResponse(header=header(self._engine))

    def _check_size(self, request: Any) -> None:
        size = request.ByteSize()
        if size <= self._limit:
            return
        if size > self._limit + MESSAGE_OVERHEAD:
            raise MessageTooLarge(size, self._limit + MESSAGE_OVERHEAD)
        raise RequestTooLarge

    def _finished(self, answer: _Answer) -> _Answer:
        answer.header.CopyFrom(header(self._engine, answer.header.revision))
        return answer
