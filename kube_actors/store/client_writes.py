"""The client's writes: batched on one stream where the server offers it, else a transaction each.

    put, put, delete | end of the turn -> one BatchRequest -> one commit -> one BatchResponse

The stream opens with an empty batch. Its answer says that the server has the service and is there, so
nothing is sent into the void: what waits during an outage is sent once, later, within its patience.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.batching import TurnBatcher
from kube_actors.aio.tasks import Tasks
from kube_actors.rpc.channel import Channel, Conversation, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.pb import store_pb2
from kube_actors.store.codes import code_name
from kube_actors.store.errors import KV, EtcdError, RevisionConflict, StoreUnavailable, from_text

log = structlog.get_logger(__name__)

TIMEOUT = 30.0
# Messages that are under way on the stream; more wait here, where they can grow into larger batches.
IN_FLIGHT = 8
BATCH_LIMIT = 512
# Half of what a message may be; a single larger write still travels, alone.
BATCH_BYTES = 16 << 20
RETRY = Backoff(initial=0.05, maximum=1.0)
# Refusals that no patience changes; everything else may be a store that is away.
REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED")


def to_kv(message: pb.KeyValue) -> KV:
    return KV(message.key, message.value, message.mod_revision, message.create_revision, message.version, message.lease)


@dataclass(slots=True, eq=False)
class _Write:
    message: Any
    deadline: float
    size: int
    done: asyncio.Future[int] = field(repr=False)

    def answer(self, result: Any) -> None:
        if self.done.done():
            return
        if result.error:
            self.done.set_exception(from_text(result.error, code_name(result.code)))
        elif result.conflict:
            current = to_kv(result.current) if result.HasField("current") else None
            self.done.set_exception(RevisionConflict(current))
        else:
            self.done.set_result(result.revision)

    def fail(self, reason: str) -> None:
        self.refuse(StoreUnavailable(reason))

    def refuse(self, error: EtcdError) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class WriteStream:
    """Conditional writes of one client, answered in order."""

    def __init__(self, channel: Channel, kv: Stub, tasks: Tasks, patience: float) -> None:
        self._stub = Stub(channel, store_pb2.DESCRIPTOR.services_by_name["Store"])
        self._kv = kv
        self._tasks = tasks
        self._patience = patience
        self._batched: bool | None = None
        self._closed = False
        self._waiting: deque[_Write] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._sent: deque[list[_Write]] = deque()
        self._turn: TurnBatcher[_Write] = TurnBatcher(self._enqueue, limit=1 << 20)
        self._pump: asyncio.Task[None] | None = None

    async def write(self, key: bytes, value: bytes | None, expected: int | None, lease: int) -> int:
        """Put (or delete, for no value) and return the revision."""
        if self._closed:
            raise StoreUnavailable("the store client has stopped")
        if self._batched is False:
            return await self._transaction(key, value, expected, lease)
        loop = asyncio.get_running_loop()
        message = store_pb2.Write(key=key, value=value, expected_revision=expected, lease=lease)
        size = len(key) + len(value or b"")
        write = _Write(message, loop.time() + self._patience, size, loop.create_future())
        self._turn.add(write)
        return await write.done

    def close(self) -> None:
        """Fail everything that waits."""
        self._closed = True
        self._fail_sent("the store client has stopped")
        while self._waiting:
            self._waiting.popleft().fail("the store client has stopped")

    def _enqueue(self, writes: list[_Write]) -> None:
        if self._closed:
            for write in writes:
                write.fail("the store client has stopped")
            return
        self._waiting.extend(writes)
        if self._batched is False:
            self._fall_back()
            return
        self._wake.set()
        if self._pump is None:
            self._pump = self._tasks.spawn(self._run(), "writes")

    async def _run(self) -> None:
        failures = 0
        # A group whose child fails while it is cancelled forgets the cancellation (Python 3.11): hence `_closed`.
        while self._batched is not False and not self._closed:
            stream = self._stub.open("Batch")
            try:
                await stream.write(store_pb2.BatchRequest())
                if await stream.read() is None:
                    raise RpcError("UNAVAILABLE", "the store ended the stream")
                self._batched, failures = True, 0
                await self._exchange(stream)
            except RpcError as error:
                self._fail_sent(f"the store went away during the write: {error.message}")
                if error.code == "UNIMPLEMENTED" and self._batched is None:
                    self._batched = False
                    log.info("the store has no batched writes; using transactions")
                    break
                if error.code in REFUSED:
                    self._refuse_waiting(error)
                    return
                failures += 1
                self._expire(error.message)
            finally:
                stream.cancel()
            if not self._closed:
                await asyncio.sleep(RETRY.delay(failures))
        self._fall_back()

    async def _exchange(self, stream: Conversation) -> None:
        self._room = asyncio.Semaphore(IN_FLIGHT)
        pump = asyncio.current_task()
        assert pump is not None
        cancelled_before = pump.cancelling()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send(stream), name="store-client/writes/send")
                group.create_task(self._receive(stream), name="store-client/writes/receive")
        except* RpcError as failed:
            raise failed.exceptions[0] from None
        finally:
            # A group of Python 3.11 wakes its parent by cancelling it and leaves that counted; the next
            # failure of a stream would then be taken for our own cancellation and end the pump for good.
            while pump.cancelling() > cancelled_before:
                pump.uncancel()

    async def _send(self, stream: Conversation) -> None:
        while True:
            await self._wake.wait()
            await self._room.acquire()
            batch = self._take()
            if not batch:
                self._room.release()
                continue
            self._sent.append(batch)
            await stream.write(store_pb2.BatchRequest(writes=[write.message for write in batch]))

    def _take(self) -> list[_Write]:
        batch: list[_Write] = []
        size = 0
        while self._waiting and len(batch) < BATCH_LIMIT and (not batch or size + self._waiting[0].size <= BATCH_BYTES):
            write = self._waiting.popleft()
            if not write.done.done():
                batch.append(write)
                size += write.size
        if not self._waiting:
            self._wake.clear()
        return batch

    async def _receive(self, stream: Conversation) -> None:
        while (answer := await stream.read()) is not None:
            batch = self._sent.popleft()
            self._room.release()
            for write, result in zip(batch, answer.results, strict=True):
                write.answer(result)
        raise RpcError("UNAVAILABLE", "the store ended the stream")

    def _fail_sent(self, reason: str) -> None:
        while self._sent:
            for write in self._sent.popleft():
                write.fail(reason)

    def _expire(self, reason: str) -> None:
        now = asyncio.get_running_loop().time()
        late = [write for write in self._waiting if write.deadline <= now]
        for write in late:
            write.fail(reason)
        if late:
            self._waiting = deque(write for write in self._waiting if write.deadline > now)

    def _refuse_waiting(self, error: RpcError) -> None:
        """The store will not have us: the next write asks it again."""
        self._pump = None
        while self._waiting:
            self._waiting.popleft().refuse(from_text(error.message, error.code))

    def _fall_back(self) -> None:
        """The server is an etcd: what waits goes as transactions, in order of arrival per key or not at all."""
        while self._waiting:
            write = self._waiting.popleft()
            self._tasks.spawn(self._transact_waiting(write), "write")

    async def _transact_waiting(self, write: _Write) -> None:
        message = write.message
        value = message.value if message.HasField("value") else None
        expected = message.expected_revision if message.HasField("expected_revision") else None
        try:
            revision = await self._transaction(message.key, value, expected, message.lease)
        except Exception as error:  # noqa: BLE001  (the boundary: who waits for the write gets it, whatever it is)
            if not write.done.done():
                write.done.set_exception(error)
        else:
            if not write.done.done():
                write.done.set_result(revision)

    async def _transaction(self, key: bytes, value: bytes | None, expected: int | None, lease: int) -> int:
        if value is None:
            operation = pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key))
        else:
            operation = pb.RequestOp(request_put=pb.PutRequest(key=key, value=value, lease=lease))
        request = pb.TxnRequest(success=[operation])
        if expected is not None:
            compare = pb.Compare(key=key, target=pb.Compare.MOD, result=pb.Compare.EQUAL, mod_revision=expected)
            request.compare.append(compare)
            request.failure.append(pb.RequestOp(request_range=pb.RangeRequest(key=key)))
        try:
            answer = await self._kv.unary("Txn", request, TIMEOUT)
        except RpcError as error:
            raise from_text(error.message, error.code) from error
        if not answer.succeeded:
            kvs = answer.responses[0].response_range.kvs
            raise RevisionConflict(to_kv(kvs[0]) if kvs else None)
        return int(answer.header.revision)
