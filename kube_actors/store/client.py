"""The store as its users see it: one class over any server of etcd's v3 API, ours or etcd itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.tasks import Tasks
from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.tls import ClientTLS
from kube_actors.store.client_members import follow_members
from kube_actors.store.client_watch import EventBatch, StoreEvent, StoreWatch
from kube_actors.store.client_writes import WriteStream, to_kv
from kube_actors.store.errors import KV, LeaseNotFound, StoreUnavailable, from_text
from kube_actors.store.ranges import prefix_end

__all__ = ["KV", "EventBatch", "RangeResult", "StoreClient", "StoreEvent", "StoreWatch"]

# Reads are repeated for this long while the store is away; a restarted store is back sooner.
PATIENCE = 10.0
TIMEOUT = 30.0
# An unlimited range is fetched in pages of one revision, so that no message grows without bound.
PAGE = 2000
RETRY = Backoff(initial=0.05, maximum=1.0)


@dataclass(frozen=True, slots=True)
class RangeResult:
    """`count` is how many keys the range has from its start, whatever the limit; `more`: the limit cut it."""

    kvs: list[KV]
    revision: int
    more: bool
    count: int


class StoreClient:
    """Keys and values with revisions. Give the addresses of all members of one store.

    Refusals are raised as the classes of `kube_actors.store.errors`. Reads wait for a store that is away
    up to `patience` seconds, and so do writes that were not sent yet; a write that was under way raises
    StoreUnavailable, and may have happened.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        tls: ClientTLS | None = None,
        *,
        patience: float = PATIENCE,
        follow_members: bool = False,
    ) -> None:
        """`follow_members`: the store's members may get other addresses; it is asked for them now and then."""
        self._addresses = tuple(addresses)
        self._tls = tls
        self._patience = patience
        self._follow = follow_members
        self._channel: Channel | None = None

    async def start(self) -> None:
        """Does not wait for the store: the first call does."""
        if self._channel is not None:
            return
        self._channel = Channel(self._addresses, self._tls)
        services = pb.DESCRIPTOR.services_by_name
        self._kv = Stub(self._channel, services["KV"])
        self._watch = Stub(self._channel, services["Watch"])
        self._lease = Stub(self._channel, services["Lease"])
        self._tasks = Tasks("store-client")
        self._writes = WriteStream(self._channel, self._kv, self._tasks, self._patience)
        self._question = _Coalesced(self._ask_revision, self._tasks)
        if self._follow:
            self._tasks.spawn_forever(follow_members(self._channel, self._addresses), "members")

    async def stop(self) -> None:
        """Fails what is under way with StoreUnavailable. May be called twice."""
        if self._channel is None:
            return
        channel, self._channel = self._channel, None
        self._writes.close()
        await self._tasks.stop()
        await channel.close()

    async def get(self, key: bytes, *, revision: int = 0) -> tuple[KV | None, int]:
        """The key at a revision (0: now, linearizable), and the store's revision."""
        answer = await self._read(self._kv, "Range", pb.RangeRequest(key=key, revision=revision))
        return (to_kv(answer.kvs[0]) if answer.kvs else None), answer.header.revision

    async def range(
        self,
        prefix: bytes,
        *,
        start: bytes | None = None,
        limit: int = 0,
        revision: int = 0,
        keys_only: bool = False,
        count_only: bool = False,
    ) -> RangeResult:
        """The keys below `prefix` in order, from `start` (inclusive), all at one revision."""
        kvs: list[KV] = []
        key, count, pinned, first_count = start or prefix or b"\0", 0, revision, -1
        answered = 0
        while True:
            want = min(PAGE, limit - len(kvs)) if limit else PAGE
            request = pb.RangeRequest(
                key=key,
                range_end=prefix_end(prefix),
                limit=want,
                revision=pinned,
                keys_only=keys_only,
                count_only=count_only,
            )
            answer = await self._read(self._kv, "Range", request)
            kvs.extend(map(to_kv, answer.kvs))
            count = answer.count
            if first_count < 0:
                first_count, answered = count, answer.header.revision
                pinned = pinned or answered
            if not answer.more or count_only or (limit and len(kvs) >= limit):
                return RangeResult(kvs, answered, answer.more, first_count)
            key = kvs[-1].key + b"\0"

    async def put(self, key: bytes, value: bytes, *, expected_revision: int | None = None, lease: int = 0) -> int:
        """Write; the revision of the write. With `expected_revision` only if the key is at that revision
        (0: does not exist), else RevisionConflict."""
        return await self._writes.write(key, value, expected_revision, lease)

    async def delete(self, key: bytes, *, expected_revision: int | None = None) -> int:
        """Delete; the revision of the deletion. A key that is not there: the store's revision, no error."""
        return await self._writes.write(key, None, expected_revision, 0)

    async def revision(self) -> int:
        """The store's revision now, linearizable. Callers that wait at the same time share one question."""
        return await self._question.ask()

    def watch(self, prefix: bytes, start_revision: int, *, prev_kv: bool = True, progress: bool = True) -> StoreWatch:
        """Every event below `prefix` from `start_revision` on (inclusive; after a range at R pass R + 1; 0: from now).

        Iterating gives EventBatch: whole revisions, in order, none twice and none left out, over any
        number of reconnections. Raises Compacted where the history is gone. Close it with `aclose()`.
        """
        return StoreWatch(
            self._watch,
            prefix,
            start_revision,
            prev_kv=prev_kv,
            progress=progress,
            stopped=lambda: self._channel is None,
        )

    async def compact(self, revision: int) -> None:
        """Forget what only revisions before this one show."""
        await self._once(self._kv, "Compact", pb.CompactionRequest(revision=revision))

    async def grant_lease(self, ttl: int, lease_id: int = 0) -> int:
        """A lease of `ttl` seconds; its id (chosen by the store for 0)."""
        answer = await self._once(self._lease, "LeaseGrant", pb.LeaseGrantRequest(TTL=ttl, ID=lease_id))
        return int(answer.ID)

    async def revoke_lease(self, lease_id: int) -> None:
        """End a lease; its keys are deleted."""
        await self._once(self._lease, "LeaseRevoke", pb.LeaseRevokeRequest(ID=lease_id))

    async def keep_alive(self, lease_id: int) -> int:
        """Start the lease's time anew; its TTL. Raises LeaseNotFound when it has ended."""

        async def ask() -> int:
            stream = self._lease.open("LeaseKeepAlive")
            try:
                await stream.write(pb.LeaseKeepAliveRequest(ID=lease_id))
                answer = await stream.read()
            finally:
                stream.cancel()
            if answer is None:
                raise StoreUnavailable
            return int(answer.TTL)

        ttl: int = await self._retry(ask)
        if ttl <= 0:
            raise LeaseNotFound
        return ttl

    async def _ask_revision(self) -> int:
        # A key that cannot exist: the header alone is the answer.
        answer = await self._read(self._kv, "Range", pb.RangeRequest(key=b"\0", count_only=True))
        return int(answer.header.revision)

    async def _read(self, stub: Stub, method: str, request: Any) -> Any:
        return await self._retry(lambda: stub.unary(method, request, TIMEOUT))

    async def _once(self, stub: Stub, method: str, request: Any) -> Any:
        self._check_running()
        try:
            return await stub.unary(method, request, TIMEOUT)
        except asyncio.CancelledError:
            self._check_cancelled()
            raise
        except RpcError as error:
            raise from_text(error.message, error.code) from error

    async def _retry(self, ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        deadline = asyncio.get_running_loop().time() + self._patience
        failures = 0
        while True:
            self._check_running()
            try:
                return await ask()
            except asyncio.CancelledError:
                self._check_cancelled()
                raise
            except RpcError as error:
                refusal = from_text(error.message, error.code)
                failures += 1
                pause = RETRY.delay(failures)
                late = asyncio.get_running_loop().time() + pause > deadline
                if not isinstance(refusal, StoreUnavailable) or late or self._channel is None:
                    raise refusal from error
            await asyncio.sleep(pause)

    def _check_cancelled(self) -> None:
        # gRPC cancels the calls of a channel that is closed, as if their tasks had been cancelled.
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            self._check_running()

    def _check_running(self) -> None:
        if self._channel is None:
            raise StoreUnavailable("the store client has stopped")


class _Coalesced:
    """One question at a time. Who asks while one is under way shares the next: an answer may only be
    given to those who asked before the question left."""

    def __init__(self, question: Callable[[], Coroutine[Any, Any, int]], tasks: Tasks) -> None:
        self._question = question
        self._tasks = tasks
        self._waiting: list[asyncio.Future[int]] = []
        self._running = False

    async def ask(self) -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if not self._running:
            self._running = True
            self._tasks.spawn(self._run(), "revision")
        return await future

    async def _run(self) -> None:
        asked: list[asyncio.Future[int]] = []
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                try:
                    answer = await self._question()
                except Exception as error:  # noqa: BLE001  (the boundary: those who asked get it, whatever it is)
                    _settle(asked, error)
                else:
                    _settle(asked, answer)
        finally:
            self._running = False
            _settle([*asked, *self._waiting], StoreUnavailable("the store client has stopped"))


def _settle(futures: Sequence[asyncio.Future[int]], outcome: int | Exception) -> None:
    for future in futures:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
