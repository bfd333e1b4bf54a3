"""The engine: decides on the event loop, makes durable elsewhere, shows only what is durable.

    write -> index (at once) -> group -> committer: one LMDB transaction, one fsync -> answers, watchers
                                  ^ what arrives meanwhile is the next group

`revision` is the newest decided, `durable` the newest on disk. Writes are compared with the former, so
groups need not wait for one another; everything that is read or answered stops at the latter, so nothing
is seen that a crash could take back. A group that cannot be written is undone in memory, with all after it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from kube_actors.api.errors import ConfigError
from kube_actors.store.backend import Backend, DiskFull, MapFull
from kube_actors.store.commits import Commits
from kube_actors.store.committer import Committer, InlineCommitter, ThreadCommitter
from kube_actors.store.errors import (
    KV,
    Compacted,
    EtcdError,
    FutureRevision,
    LeaseNotFound,
    NoSpace,
    StoreUnavailable,
    TooManyRequests,
)
from kube_actors.store.group import Change, Group
from kube_actors.store.index import Head, KeyIndex
from kube_actors.store.leases import Lease, Leases
from kube_actors.store.records import MAIN_SHIFT, TOMBSTONE, decode, encode, main_of

log = structlog.get_logger(__name__)

QUOTA = 8 << 30
# Bytes and changes that may wait for the disk; beyond, writers are told to come back.
PENDING_BYTES = 256 << 20
PENDING_CHANGES = 100_000

Publish = Callable[[list[Change], int], None]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A conditional write that found another revision, and what it found."""

    current: KV | None


class Engine:
    """One store file. All methods belong to one event loop."""

    def __init__(self, data_dir: Path | None = None, *, quota: int = QUOTA) -> None:
        self._data_dir = data_dir
        self._quota = quota
        self.index = KeyIndex()
        self.leases = Leases()
        self.revision = 1
        self.durable = 1
        self.compacted = -1
        self.cluster_id = 0
        self.member_id = 0
        self.out_of_space = False
        self.commits = 0
        self._publish: Publish = lambda changes, revision: None
        self._failure: str | None = None
        self._sub = 0
        self._open_main = 0
        self._in_use = 0
        self._stopped = True

    async def start(self, publish: Publish | None = None) -> None:
        """Open and load the file; `publish(changes, revision)` is called after every commit. Raises ConfigError."""
        if publish is not None:
            self._publish = publish
        if self._data_dir is None:
            self._backend = Backend(None, self._quota)
        else:
            self._backend = await asyncio.to_thread(Backend, self._data_dir, self._quota)
        try:
            if self._data_dir is None:
                self._load()
            else:
                await asyncio.to_thread(self._load)
        except BaseException:
            self._backend.close()
            raise
        now = asyncio.get_running_loop().time()
        for lease_id, ttl in self._backend.leases():
            self.leases.load(lease_id, ttl, now)
        for key, head in self.index.heads.items():
            if head[3] and not head[0] & TOMBSTONE:
                self.leases.attach(head[3], key)
        committer: Committer = ThreadCommitter() if self._backend.durable else InlineCommitter()
        self._commits = Commits(self._backend, committer, lambda: self.revision, self._accept, self._abandon)
        self._stopped = False

    async def stop(self) -> None:
        """Write what was accepted, then close the file. May be called twice."""
        if self._stopped:
            return
        self._stopped = True
        try:
            await self._commits.drain()
        except EtcdError as error:
            log.warning("the last writes were refused", reason=str(error))
        self._backend.close()

    def _load(self) -> None:
        backend = self._backend
        self.cluster_id = int.from_bytes(backend.meta(b"cluster") or b"\1", "big")
        self.member_id = int.from_bytes(backend.meta(b"member") or b"\1", "big")
        self.compacted = int(backend.meta(b"compacted") or b"-1")
        self.out_of_space = backend.meta(b"alarm") == b"NOSPACE"
        last = 0

        def ids() -> Iterator[tuple[int, bytes, int, int, int]]:
            nonlocal last
            for item in backend.heads():
                last = item[0]
                yield item

        self.index.load(ids())
        self.revision = self.durable = max(main_of(last), 1)
        if self.compacted > self.revision:
            raise ConfigError(
                f"{self._data_dir} is damaged: compacted at revision {self.compacted}, newest {self.revision}; "
                "move it away, or restore a backup"
            )
        self._in_use = backend.size_in_use()

    # --- writing ---------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """The writes inside share one main revision. An exception takes all of them back."""
        self._check_writable()
        group, revision = self._commits.group, self.revision
        marks = len(group.changes), len(group.journal), len(group.undo)
        self._open_main, self._sub = revision + 1, 0
        try:
            yield
        except BaseException:
            self._take_back(group, marks)
            self.revision = revision
            raise
        finally:
            self._open_main = 0

    def write(self, key: bytes, value: bytes | None, expected: int | None, lease: int) -> int | Conflict:
        """One conditional put, or deletion for no value, with a revision of its own: the hot path."""
        self._check_writable()
        head = self.index.live(key)
        if expected is not None and (0 if head is None else main_of(head[0])) != expected:
            return Conflict(None if head is None else self.kv(head[0]))
        if value is None:
            return self.revision if head is None else self._delete(key, head)
        return self.put(key, value, lease)

    def put(self, key: bytes, value: bytes, lease: int) -> int:
        """Write; the revision. Raises LeaseNotFound, NoSpace."""
        if self.out_of_space or self._in_use + self._commits.pending_bytes > self._quota:
            self._raise_alarm()
            raise NoSpace
        if lease and self.leases.find(lease) is None:
            raise LeaseNotFound
        head = self.index.live(key)
        record_id = self._next_id()
        if head is None:
            create, version = record_id >> MAIN_SHIFT, 1
        else:
            create, version = head[1], head[2] + 1
            if head[3] and head[3] != lease:
                self.leases.detach(head[3], key)
        if lease:
            self.leases.attach(lease, key)
        record = encode(record_id, key, value, create, version, lease)
        self._change(key, (record_id, create, version, lease), record, head)
        return record_id >> MAIN_SHIFT

    def delete(self, key: bytes) -> bool:
        """Whether there was something to delete."""
        head = self.index.live(key)
        if head is not None:
            self._delete(key, head)
        return head is not None

    def _delete(self, key: bytes, head: Head) -> int:
        record_id = self._next_id() | TOMBSTONE
        if head[3]:
            self.leases.detach(head[3], key)
        self._change(key, (record_id, 0, 0, 0), encode(record_id, key, b"", 0, 0, 0), head)
        return record_id >> MAIN_SHIFT

    def _next_id(self) -> int:
        if self._open_main:
            self.revision = self._open_main
            record_id = self._open_main << MAIN_SHIFT | self._sub << 1
            self._sub += 1
            return record_id
        self.revision += 1
        return self.revision << MAIN_SHIFT

    def _change(self, key: bytes, head: Head, record: bytes, replaced: Head | None) -> None:
        self._commits.group.journal.append((key, self.index.push(key, head)))
        self._commits.add(Change(head[0], key, record, replaced[0] if replaced else 0))

    def grant(self, lease_id: int, ttl: int) -> Lease:
        self._check_writable()
        if self.out_of_space:
            raise NoSpace
        lease = self.leases.grant(lease_id, ttl, asyncio.get_running_loop().time())
        self._commits.group.leases[lease.id] = lease.ttl
        self._commits.group.undo.append(lambda: self.leases.remove(lease))
        self._commits.schedule()
        return lease

    def revoke(self, lease_id: int) -> None:
        """End a lease; its keys go in one revision. Raises LeaseNotFound."""
        lease = self.leases.get(lease_id)
        with self.transaction():
            for key in sorted(lease.keys):
                self.delete(key)
            self.leases.remove(lease)
            self._commits.group.undo.append(lambda: self.leases.restore(lease))
            self._commits.group.leases[lease_id] = None
        self._commits.schedule()

    def compact(self, revision: int) -> None:
        """From now on nothing before `revision` can be read. The space is given back by `forget`."""
        self._check_writable()
        if revision <= self.compacted:
            raise Compacted(compact_revision=self.compacted)
        if revision > self.durable:
            raise FutureRevision
        self.compacted = revision
        self._commits.group.meta[b"compacted"] = str(revision).encode()
        self._commits.schedule()

    async def forget(self, record_ids: list[int]) -> None:
        """Delete records that the index has forgotten, in steps. Returns when they are gone."""
        await self._commits.forget(record_ids)

    def set_alarm(self, on: bool) -> None:
        """Raise or clear the no-space alarm."""
        self.out_of_space = on
        self._commits.group.meta[b"alarm"] = b"NOSPACE" if on else b""
        self._commits.schedule()

    def _raise_alarm(self) -> None:
        if not self.out_of_space:
            log.warning("the store is full: writes are refused until space is made and the alarm is disarmed",
                        in_use=self._in_use, quota=self._quota)  # fmt: skip
            self.set_alarm(True)

    def _check_writable(self) -> None:
        if self._failure is not None:
            raise StoreUnavailable(self._failure)
        if self._stopped:
            raise StoreUnavailable("etcdserver: server stopped")
        if self._commits.pending_bytes > PENDING_BYTES or len(self._commits.pending) > PENDING_CHANGES:
            raise TooManyRequests

    # --- committing ------------------------------------------------------------------------------------------

    def barrier(self) -> asyncio.Future[None] | None:
        """Done when everything decided so far is durable, or with what kept it from being so; None: it is."""
        return self._commits.barrier()

    async def settled(self) -> None:
        """Returns when everything decided so far is durable. Raises what kept it from being so."""
        barrier = self._commits.barrier()
        if barrier is not None:
            await barrier

    def _accept(self, group: Group) -> None:
        self.durable = group.revision
        for change in group.changes:
            self._commits.drop(change)
        if group.changes or group.forgotten:
            self._in_use = self._backend.size_in_use()
        if group.changes:
            self._publish(group.changes, group.revision)

    def _abandon(self, group: Group, after: Group, error: Exception) -> EtcdError:
        """The group and all decided after it, which may build on it, have not happened."""
        for undone in (after, group):
            self._take_back(undone, (0, 0, 0))
        self.revision = self.durable
        if isinstance(error, MapFull | DiskFull):
            if not self.out_of_space:
                log.warning("the store is full: writes are refused until the alarm is disarmed", reason=str(error))
            self.out_of_space = True
            return NoSpace()
        self._failure = f"etcdserver: the store cannot write: {error}"
        log.error("the store's disk failed; writes are refused until a restart", reason=str(error))
        return StoreUnavailable(self._failure)

    def _take_back(self, group: Group, marks: tuple[int, int, int]) -> None:
        changes, journal, undo = marks
        for change in group.changes[changes:]:
            self._commits.drop(change)
        for key, previous in reversed(group.journal[journal:]):
            head = self.index.heads[key]
            if head[3]:
                self.leases.detach(head[3], key)
            self.index.undo(key, previous)
        for action in reversed(group.undo[undo:]):
            action()
        for key, _ in group.journal[journal:]:
            restored = self.index.live(key)
            if restored is not None and restored[3]:
                self.leases.attach(restored[3], key)
        del group.changes[changes:], group.journal[journal:], group.undo[undo:]

    # --- reading ---------------------------------------------------------------------------------------------

    def check_readable(self, revision: int) -> None:
        """Raises Compacted or FutureRevision where that revision cannot be shown."""
        if revision > self.durable:
            raise FutureRevision
        if revision < self.compacted:
            raise Compacted(compact_revision=self.compacted)

    def record(self, record_id: int) -> bytes | None:
        """The record, durable or on its way; None if it is compacted."""
        pending = self._commits.pending.get(record_id)
        return pending if pending is not None else self._backend.record(record_id)

    def records(self, ids: list[int]) -> list[bytes | None]:
        """Several records at once."""
        pending = self._commits.pending
        if not pending:
            return self._backend.records(ids)
        stored = self._backend.records(ids)
        return [record if record is not None else pending.get(at) for at, record in zip(ids, stored, strict=True)]

    def kv(self, record_id: int) -> KV | None:
        record = self.record(record_id)
        return None if record is None else decode(record_id, record)

    def scan(self, first: int, limit: int) -> list[tuple[int, bytes]]:
        """Durable history from a record id on."""
        return self._backend.scan(first, limit)

    def hold(self) -> AbstractContextManager[None]:
        """Inside, over awaits, no record is deleted and the map does not move."""
        return self._commits.hold()

    # --- the file --------------------------------------------------------------------------------------------

    @property
    def backend(self) -> Backend:
        return self._backend

    async def copy_to(self, file: IO[bytes]) -> None:
        """A consistent copy of the file as it is now, while others write."""
        await self._commits.copy_to(file)

    async def defragment(self) -> None:
        """Rewrite the file without its free pages. Writers wait meanwhile, readers do not."""
        await self._commits.defragment()
