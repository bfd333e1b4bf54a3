"""kube_actors.v1.Store: conditional writes, many in a message, answered in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from kube_actors.aio.tasks import Tasks
from kube_actors.rpc.pb import store_pb2
from kube_actors.rpc.server import Call
from kube_actors.store.codes import code_number
from kube_actors.store.engine import Conflict, Engine
from kube_actors.store.errors import EtcdError, KeyNotProvided, RequestTooLarge, StoreUnavailable
from kube_actors.store.services.messages import key_value

# Messages of one stream that may wait for the disk: while one is written, the next are decided.
IN_FLIGHT = 16

# An answer, and what it waits for.
_Item = tuple[Any, "asyncio.Future[None] | None"]


class BatchService:
    def __init__(self, engine: Engine, tasks: Tasks, max_request_bytes: int) -> None:
        self._engine = engine
        self._tasks = tasks
        self._limit = max_request_bytes
        self._stopping = asyncio.Event()

    def close(self) -> None:
        """End all streams; their clients are told that the server has stopped."""
        self._stopping.set()

    async def Batch(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        decided: asyncio.Queue[_Item | None] = asyncio.Queue(IN_FLIGHT)
        reader = self._tasks.spawn(self._read(requests, decided), "batch-reader")
        stopping = self._tasks.spawn(self._end(decided), "batch-end")
        try:
            while (item := await decided.get()) is not None:
                answer, barrier = item
                if barrier is not None:
                    await self._settle(answer, barrier)
                yield answer
            if self._stopping.is_set():
                raise StoreUnavailable("etcdserver: server stopped")
        finally:
            reader.cancel()
            stopping.cancel()

    async def _end(self, decided: asyncio.Queue[_Item | None]) -> None:
        await self._stopping.wait()
        await decided.put(None)

    async def _read(self, requests: AsyncIterator[Any], decided: asyncio.Queue[_Item | None]) -> None:
        async for request in requests:
            await decided.put(self._decide(request))
        await decided.put(None)

    def _decide(self, request: Any) -> _Item:
        answer = store_pb2.BatchResponse()
        add = answer.results.add
        write = self._engine.write
        for message in request.writes:
            try:
                key = message.key
                if not key:
                    raise KeyNotProvided
                value = message.value if message.HasField("value") else None
                if value is not None and len(key) + len(value) > self._limit:
                    raise RequestTooLarge
                expected = message.expected_revision if message.HasField("expected_revision") else None
                outcome = write(key, value, expected, message.lease)
            except EtcdError as error:
                add(error=str(error), code=code_number(error.grpc_code))
                continue
            if isinstance(outcome, Conflict):
                current = None if outcome.current is None else key_value(outcome.current)
                add(conflict=True, current=current)
            else:
                add(revision=outcome)
        answer.revision = self._engine.revision
        return answer, self._engine.barrier()

    async def _settle(self, answer: Any, barrier: asyncio.Future[None]) -> None:
        """Wait for the disk; what it refused has not happened."""
        try:
            await barrier
        except EtcdError as error:
            for result in answer.results:
                if not result.error:
                    result.Clear()
                    result.error, result.code = str(error), code_number(error.grpc_code)
