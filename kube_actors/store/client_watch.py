"""The client's watch: one etcd watch that survives reconnection without losing or repeating an event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.rpc.channel import Conversation, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.store.client_writes import to_kv
from kube_actors.store.errors import KV, Compacted, EtcdError, StoreUnavailable, from_text
from kube_actors.store.ranges import prefix_end

log = structlog.get_logger(__name__)

RETRY = Backoff(initial=0.05, maximum=2.0)


@dataclass(frozen=True, slots=True)
class StoreEvent:
    """A put, or a deletion: then `kv` has only the key and the revision. `prev` is what was before, if known."""

    deleted: bool
    kv: KV
    prev: KV | None


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events of whole revisions, in order. `revision`: everything up to it has been delivered now.
    Without events it is progress: nothing happened below the prefix up to that revision."""

    events: list[StoreEvent]
    revision: int


class StoreWatch:
    """An async iterator of EventBatch. It reconnects for ever; it ends by `aclose()`, with an EtcdError,
    or with StoreUnavailable when its client has stopped."""

    def __init__(
        self,
        stub: Stub,
        prefix: bytes,
        start_revision: int,
        *,
        prev_kv: bool,
        progress: bool,
        stopped: Callable[[], bool],
    ) -> None:
        self._stub = stub
        self._stopped = stopped
        self._prefix = prefix
        self._next = start_revision
        self._prev_kv = prev_kv
        self._progress = progress
        self._stream: Conversation | None = None
        self._batches = self._run()

    def __aiter__(self) -> StoreWatch:
        return self

    async def __anext__(self) -> EventBatch:
        return await self._batches.__anext__()

    async def aclose(self) -> None:
        """End the watch. To be called by the task that iterates, or after it was cancelled."""
        await self._batches.aclose()

    async def request_progress(self) -> None:
        """Ask for an EventBatch that says how far the watch is. It comes through the iteration, if the
        connection holds; ask again while it does not. (Before 3.4.25 and 3.5.8 etcd could answer ahead of
        events that were on their way: do not ask those.)"""
        if self._stream is None:
            return
        try:
            await self._stream.write(pb.WatchRequest(progress_request=pb.WatchProgressRequest()))
        except (RpcError, asyncio.InvalidStateError):
            return  # the iteration meets the same failure and reconnects

    async def _run(self) -> AsyncGenerator[EventBatch, None]:
        failures = 0
        while True:
            if self._stopped():
                raise StoreUnavailable("the store client has stopped")
            stream = self._stub.open("Watch")
            try:
                await stream.write(self._request())
                async for batch in self._read(stream):
                    failures = 0
                    yield batch
            except RpcError as error:
                refusal = from_text(error.message, error.code)
                if not isinstance(refusal, StoreUnavailable):
                    raise refusal from error
                log.debug("watch interrupted", prefix=self._prefix, reason=error.message, next_revision=self._next)
            finally:
                self._stream = None
                stream.cancel()
            failures += 1
            await asyncio.sleep(RETRY.delay(failures))

    def _request(self) -> pb.WatchRequest:
        create = pb.WatchCreateRequest(
            key=self._prefix or b"\0",
            range_end=prefix_end(self._prefix),
            start_revision=self._next,
            progress_notify=self._progress,
            prev_kv=self._prev_kv,
            fragment=True,
        )
        return pb.WatchRequest(create_request=create)

    async def _read(self, stream: Conversation) -> AsyncGenerator[EventBatch, None]:
        parts: list[Any] = []
        while (answer := await stream.read()) is not None:
            if answer.canceled:
                raise _cancelled(answer)
            if answer.created:
                self._stream = stream
                self._next = self._next or answer.header.revision + 1
                continue
            parts.extend(answer.events)
            if answer.fragment:
                continue
            batch = self._batch(parts, answer.header.revision)
            parts = []
            if batch is not None:
                yield batch

    def _batch(self, parts: list[Any], header_revision: int) -> EventBatch | None:
        # After a reconnection a server may repeat what was delivered; `_next` is the guard.
        events = [_event(part) for part in parts if part.kv.mod_revision >= self._next]
        revision = events[-1].kv.mod_revision if events else header_revision
        if not events and (parts or revision + 1 < self._next):
            return None
        self._next = max(self._next, revision + 1)
        return EventBatch(events, revision)


def _event(message: Any) -> StoreEvent:
    previous = to_kv(message.prev_kv) if message.HasField("prev_kv") else None
    return StoreEvent(message.type == pb.Event.DELETE, to_kv(message.kv), previous)


def _cancelled(answer: Any) -> EtcdError:
    if answer.compact_revision:
        return Compacted(compact_revision=answer.compact_revision)
    return EtcdError(answer.cancel_reason or "etcdserver: watch canceled")
