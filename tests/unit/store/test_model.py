"""Random operations on the engine and on a sequential model: every answer and every event must agree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.store.client_watch import EventBatch, StoreEvent
from kube_actors.store.engine import Conflict, Engine
from kube_actors.store.errors import KV, Compacted, FutureRevision
from kube_actors.store.guarantees import reliable, resumable, violations
from kube_actors.store.records import TOMBSTONE, decode, main_of
from kube_actors.store.services.reading import read
from kube_actors.store.services.txn import apply_delete, apply_txn
from kube_actors.store.watch_hub import Watcher, WatchHub

State = dict[bytes, KV]


class Model:
    """All states that ever were; as slow and as simple as can be."""

    def __init__(self) -> None:
        self.states: dict[int, State] = {1: {}}
        self.revision = 1
        self.compacted = -1
        self.events: list[tuple[int, bytes, bool]] = []

    @property
    def now(self) -> State:
        return self.states[self.revision]

    def put(self, *pairs: tuple[bytes, bytes]) -> int:
        state = dict(self.now)
        self.revision += 1
        for key, value in pairs:
            old = state.get(key)
            create, version = (old.create_revision, old.version + 1) if old else (self.revision, 1)
            state[key] = KV(key, value, self.revision, create, version, 0)
            self.events.append((self.revision, key, False))
        self.states[self.revision] = state
        return self.revision

    def delete(self, keys: Iterable[bytes]) -> int:
        gone = sorted(key for key in set(keys) if key in self.now)
        if gone:
            state = {key: kv for key, kv in self.now.items() if key not in gone}
            self.revision += 1
            self.events += [(self.revision, key, True) for key in gone]
            self.states[self.revision] = state
        return self.revision

    def range(self, start: bytes, end: bytes, revision: int) -> list[KV]:
        revision = revision or self.revision
        if revision > self.revision:
            raise FutureRevision
        if revision < self.compacted:
            raise Compacted
        return [kv for key, kv in sorted(self.states[revision].items()) if start <= key < end]

    def compact(self, revision: int) -> None:
        if revision <= self.compacted:
            raise Compacted
        if revision > self.revision:
            raise FutureRevision
        self.compacted = revision


KEYS = [b"a", b"a/1", b"a/2", b"b", b"b/1", b"c" * 600]
key = st.sampled_from(KEYS)
value = st.binary(max_size=8)
back = st.integers(0, 6)
operation = st.one_of(
    st.tuples(st.just("put"), key, value),
    st.tuples(st.just("put"), st.sampled_from(KEYS[:3]), value),
    st.tuples(st.just("cas"), key, value, st.booleans()),
    st.tuples(st.just("delete"), key),
    st.tuples(st.just("delete_range"), key, key),
    st.tuples(st.just("txn"), key, key, value),
    st.tuples(st.just("range"), key, key, back),
    st.tuples(st.just("compact"), back),
    st.tuples(st.just("settle")),
    st.tuples(st.just("watch"), back),
    st.tuples(st.just("pull")),
)


class Run:
    """One sequence of operations, on both."""

    def __init__(self) -> None:
        self.engine = Engine()
        # A tiny ring, so that watchers read the file too, and tiny steps, so that they are cut.
        self.hub = WatchHub(self.engine, ring_changes=3, ring_bytes=1000, batch_changes=2, scan=3)
        self.model = Model()
        self.watchers: list[tuple[Watcher, int, list[EventBatch]]] = []
        self.cut: set[int] = set()

    async def all(self, operations: list[tuple[Any, ...]]) -> None:
        await self.engine.start(self.hub.publish)
        self.hub.reset()
        try:
            for name, *arguments in operations:
                await getattr(self, name)(*arguments)
            await self.settle()
            while any(w.pending is not None for w, _, _ in self.watchers):
                await self.pull()
            self.check_watches()
            await self.range(b"a", b"d", 0)
        finally:
            await self.engine.stop()

    async def put(self, key: bytes, value: bytes) -> None:
        assert self.engine.write(key, value, None, 0) == self.model.put((key, value))

    async def cas(self, key: bytes, value: bytes, right: bool) -> None:
        current = self.model.now.get(key)
        expected = (current.mod_revision if current else 0) + (0 if right else 1)
        got = self.engine.write(key, value, expected, 0)
        assert got == (self.model.put((key, value)) if right else Conflict(current))

    async def delete(self, key: bytes) -> None:
        assert self.engine.write(key, None, None, 0) == self.model.delete([key])

    async def delete_range(self, start: bytes, end: bytes) -> None:
        if start >= end:
            return
        answer = apply_delete(self.engine, pb.DeleteRangeRequest(key=start, range_end=end))
        gone = [k for k in self.model.now if start <= k < end]
        assert answer.deleted == len(gone)
        assert answer.header.revision == self.model.delete(gone)

    async def txn(self, compared: bytes, other: bytes, value: bytes) -> None:
        """If the key exists: put both keys in one revision and read one back; else delete the other."""
        request = pb.TxnRequest(
            compare=[pb.Compare(key=compared, target=pb.Compare.VERSION, result=pb.Compare.GREATER, version=0)],
            success=[
                pb.RequestOp(request_put=pb.PutRequest(key=k, value=value)) for k in dict.fromkeys((compared, other))
            ]
            + [pb.RequestOp(request_range=pb.RangeRequest(key=compared))],
            failure=[pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=other))],
        )
        holds = compared in self.model.now
        answer = apply_txn(self.engine, request)
        assert answer.succeeded == holds
        if not holds:
            assert answer.header.revision == self.model.delete([other])
            return
        assert answer.header.revision == self.model.put(*dict.fromkeys(((compared, value), (other, value))))
        assert answer.responses[-1].response_range.kvs[0].value == value

    async def range(self, start: bytes, end: bytes, back: int) -> None:
        await self.settle()
        revision = max(self.model.revision + 1 - back, 1) if back else 0
        refusal, expected = outcome(lambda: self.model.range(start, end, revision))
        request = pb.RangeRequest(key=start, range_end=end, revision=revision)
        if refusal is not None:
            with pytest.raises(refusal):
                await read(self.engine, request)
            return
        answer = await read(self.engine, request)
        assert [
            KV(k.key, k.value, k.mod_revision, k.create_revision, k.version, k.lease) for k in answer.kvs
        ] == expected

    async def compact(self, back: int) -> None:
        await self.settle()
        revision = self.model.revision + 1 - back
        refusal, _ = outcome(lambda: self.model.compact(revision))
        if refusal is not None:
            with pytest.raises(refusal):
                self.engine.compact(revision)
            return
        self.engine.compact(revision)
        gone = [i for k in self.engine.index.compactable() for i in self.engine.index.compact(k, revision)]
        await self.engine.forget(gone)

    async def settle(self) -> None:
        await self.engine.settled()

    async def watch(self, back: int) -> None:
        await self.settle()
        start = max(self.model.revision + 1 - back, 1)
        watcher = Watcher(b"a", b"c", start, lambda: None)
        self.watchers.append((watcher, start, []))
        self.hub.add(watcher)

    async def pull(self) -> None:
        for at, (watcher, _, history) in enumerate(self.watchers):
            try:
                changes = self.hub.take(watcher)
            except Compacted:
                assert watcher.pending is not None
                assert watcher.pending < self.model.compacted
                self.cut.add(at)
                watcher.pending = None
                self.hub.remove(watcher)
                continue
            if changes:
                history.append(batch(changes))

    def check_watches(self) -> None:
        for at, (_, start, history) in enumerate(self.watchers):
            wanted = [(r, k) for r, k, _ in self.model.events if r >= start and b"a" <= k < b"c"]
            complete = [] if at in self.cut else [reliable(wanted)]
            assert violations(history, resumable(start), *complete) == []
            got = {(e.kv.mod_revision, e.kv.key, e.deleted) for b in history for e in b.events}
            assert got <= set(self.model.events)


def outcome(call: Callable[[], Any]) -> tuple[type[Exception] | None, Any]:
    try:
        return None, call()
    except (Compacted, FutureRevision) as error:
        return type(error), None


def batch(changes: list[Any]) -> EventBatch:
    events = [StoreEvent(bool(c.record_id & TOMBSTONE), decode(c.record_id, c.record), None) for c in changes]
    return EventBatch(events, main_of(changes[-1].record_id))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(operation, min_size=30, max_size=80))
def test_engine_and_model_agree(operations: list[tuple[Any, ...]]) -> None:
    asyncio.run(Run().all(operations))
