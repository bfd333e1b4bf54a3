"""etcdserverpb.Watch: many watches on one stream, each pulled from the hub as fast as the client reads.

requests -> _Stream (create, cancel, progress) -> control answers first, then one step of each watcher
                                                  that has something, in turn
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from kube_actors.aio.tasks import Tasks
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.server import Call
from kube_actors.store.engine import Engine
from kube_actors.store.errors import Compacted, StoreUnavailable
from kube_actors.store.group import Change
from kube_actors.store.ranges import TO_END, bounds
from kube_actors.store.records import TOMBSTONE, decode
from kube_actors.store.services.messages import header, key_value
from kube_actors.store.watch_hub import Watcher, WatchHub

# etcd's id of answers that belong to no watch.
NO_WATCH = -1
# A client that sends requests and does not read the answers is not read any further.
CONTROL_LIMIT = 1000
# Events encoded for one watcher are kept for the others of the same commit.
CACHE = 2000


@dataclass(slots=True, eq=False)
class _Watch:
    id: int
    watcher: Watcher
    prev_kv: bool
    progress: bool
    fragment: bool
    spoke: bool = True


class WatchService:
    def __init__(
        self, engine: Engine, hub: WatchHub, tasks: Tasks, *, progress_interval: float, fragment_bytes: int
    ) -> None:
        self.engine = engine
        self.hub = hub
        self.progress_interval = progress_interval
        self.fragment_bytes = fragment_bytes
        self._tasks = tasks
        self._streams: set[_Stream] = set()
        self._closed = False
        self._encoded: dict[tuple[int, bool], pb.Event] = {}

    def close(self) -> None:
        """End all streams; their clients are told that the server has stopped."""
        self._closed = True
        for stream in self._streams:
            stream.stop()

    async def Watch(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[pb.WatchResponse]:
        stream = _Stream(self)
        if self._closed:
            stream.stop()
        self._streams.add(stream)
        reader = self._tasks.spawn(stream.read(requests), "watch-reader")
        try:
            async for answer in stream.answers():
                yield answer
        finally:
            reader.cancel()
            stream.close()
            self._streams.discard(stream)

    def event(self, change: Change, prev_kv: bool) -> pb.Event:
        """A change as a message, encoded once for all watchers that see it now."""
        cached = self._encoded.get((change.record_id, prev_kv))
        if cached is not None:
            return cached
        kv = decode(change.record_id, change.record)
        if change.record_id & TOMBSTONE:
            event = pb.Event(type=pb.Event.DELETE, kv=pb.KeyValue(key=kv.key, mod_revision=kv.mod_revision))
        else:
            event = pb.Event(kv=key_value(kv))
        if prev_kv and change.replaced:
            previous = self.engine.kv(change.replaced)
            if previous is not None:
                event.prev_kv.CopyFrom(key_value(previous))
        if len(self.hub) > 1:
            if len(self._encoded) >= CACHE:
                self._encoded.clear()
            self._encoded[change.record_id, prev_kv] = event
        return event


class _Stream:
    def __init__(self, service: WatchService) -> None:
        self._service = service
        self._engine = service.engine
        self._hub = service.hub
        self._watches: dict[int, _Watch] = {}
        self._ready: dict[_Watch, None] = {}
        self._control: deque[pb.WatchResponse] = deque()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._progress_wanted = False
        self._ended = False
        self._stopped = False
        self._next_id = 0

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()

    def close(self) -> None:
        for watch in self._watches.values():
            self._hub.remove(watch.watcher)
        self._watches.clear()

    # --- requests

    async def read(self, requests: AsyncIterator[Any]) -> None:
        async for request in requests:
            match request.WhichOneof("request_union"):
                case "create_request":
                    self._create(request.create_request)
                case "cancel_request":
                    self._cancel(request.cancel_request.watch_id)
                case "progress_request":
                    self._progress_wanted = True
            self._wake.set()
            if len(self._control) >= CONTROL_LIMIT:
                self._room.clear()
                await self._room.wait()
        self._ended = True
        self._wake.set()

    def _create(self, request: pb.WatchCreateRequest) -> None:
        key = request.key or TO_END
        start, end = bounds(key, request.range_end)
        if end is not None and end <= start:
            self._refuse(NO_WATCH, "mvcc: watcher range is empty")
            return
        if request.watch_id in self._watches and request.watch_id:
            self._refuse(NO_WATCH, "mvcc: duplicate watch ID provided on the WatchStream")
            return
        watch_id = request.watch_id or self._new_id()
        watcher = Watcher(
            start=start,
            end=end,
            next=request.start_revision or self._engine.durable + 1,
            wake=lambda: self._mark(watch_id),
            puts=pb.WatchCreateRequest.NOPUT not in request.filters,
            deletes=pb.WatchCreateRequest.NODELETE not in request.filters,
        )
        watch = _Watch(watch_id, watcher, request.prev_kv, request.progress_notify, request.fragment)
        self._watches[watch_id] = watch
        self._control.append(pb.WatchResponse(header=header(self._engine), watch_id=watch_id, created=True))
        self._hub.add(watcher)

    def _new_id(self) -> int:
        while self._next_id in self._watches:
            self._next_id += 1
        self._next_id += 1
        return self._next_id - 1

    def _refuse(self, watch_id: int, reason: str) -> None:
        self._control.append(
            pb.WatchResponse(
                header=header(self._engine), watch_id=watch_id, created=True, canceled=True, cancel_reason=reason
            )
        )

    def _cancel(self, watch_id: int) -> None:
        if self._forget(watch_id):
            self._control.append(pb.WatchResponse(header=header(self._engine), watch_id=watch_id, canceled=True))

    def _forget(self, watch_id: int) -> bool:
        watch = self._watches.pop(watch_id, None)
        if watch is None:
            return False
        self._hub.remove(watch.watcher)
        self._ready.pop(watch, None)
        return True

    def _mark(self, watch_id: int) -> None:
        self._ready[self._watches[watch_id]] = None
        self._wake.set()

    # --- answers

    async def answers(self) -> AsyncIterator[pb.WatchResponse]:
        loop = asyncio.get_running_loop()
        tick = loop.time() + self._service.progress_interval
        while True:
            while self._control:
                yield self._control.popleft()
            self._room.set()
            if self._stopped:
                raise StoreUnavailable("etcdserver: server stopped")
            if self._ready:
                for answer in self._step():
                    yield answer
                continue
            if self._progress_wanted:
                # Everybody has caught up here, so this revision is true for all watches of the stream.
                self._progress_wanted = False
                yield pb.WatchResponse(header=header(self._engine), watch_id=NO_WATCH)
                continue
            if self._ended:
                return
            if loop.time() >= tick:
                tick = loop.time() + self._service.progress_interval
                for answer in self._progress():
                    yield answer
                continue
            self._wake.clear()
            await self._sleep(tick)

    async def _sleep(self, tick: float) -> None:
        if not any(watch.progress for watch in self._watches.values()):
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout_at(tick):
                await self._wake.wait()
        except TimeoutError:
            return

    def _progress(self) -> list[pb.WatchResponse]:
        """What is owed to watches that were silent for an interval."""
        answers = []
        for watch in self._watches.values():
            if watch.progress and not watch.spoke and watch.watcher.next <= self._engine.durable + 1:
                answers.append(pb.WatchResponse(header=header(self._engine), watch_id=watch.id))
            watch.spoke = False
        return answers

    def _step(self) -> Iterator[pb.WatchResponse]:
        """One piece for the watch whose turn it is."""
        watch = next(iter(self._ready))
        del self._ready[watch]
        try:
            changes = self._hub.take(watch.watcher)
        except Compacted as error:
            self._forget(watch.id)
            yield pb.WatchResponse(
                header=header(self._engine), watch_id=watch.id, canceled=True, compact_revision=error.compact_revision
            )
            return
        if watch.watcher.pending is not None:
            self._ready[watch] = None
        if changes:
            watch.spoke = True
            yield from self._responses(watch, changes)

    def _responses(self, watch: _Watch, changes: list[Change]) -> Iterator[pb.WatchResponse]:
        events = [self._service.event(change, watch.prev_kv) for change in changes]
        now = header(self._engine)
        if watch.fragment:
            pieces = list(_pieces(events, self._service.fragment_bytes))
            for piece in pieces[:-1]:
                yield pb.WatchResponse(header=now, watch_id=watch.id, events=piece, fragment=True)
            events = pieces[-1]
        yield pb.WatchResponse(header=now, watch_id=watch.id, events=events)


def _pieces(events: list[pb.Event], limit: int) -> Iterator[list[pb.Event]]:
    piece: list[pb.Event] = []
    size = 0
    for event in events:
        length = event.ByteSize()
        if piece and size + length > limit:
            yield piece
            piece, size = [], 0
        piece.append(event)
        size += length
    yield piece
