"""The way of decided changes to the disk: groups, one commit at a time, and what has to wait for one another.

    add -> group -> [turn ends, or the commit before does] -> committer -> accepted | abandoned

A commit, a defragmentation and a growth of the map exclude one another; whoever reads over several turns
of the loop, or on another thread, holds off deletions, growth and defragmentation meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from kube_actors.store.backend import Backend, MapFull
from kube_actors.store.committer import Committer
from kube_actors.store.errors import EtcdError
from kube_actors.store.group import Change, Group

# Records that one commit deletes for a compaction, so that writers wait for milliseconds at most.
FORGET_STEP = 1000

Accepted = Callable[[Group], None]
Abandoned = Callable[[Group, Group, Exception], EtcdError]


class Commits:
    """`accepted(group)` is called when a group is durable; `abandoned(group, after, error)` when it cannot be,
    with what was decided after it, to take both back: it returns the refusal for all who wait."""

    def __init__(
        self,
        backend: Backend,
        committer: Committer,
        revision: Callable[[], int],
        accepted: Accepted,
        abandoned: Abandoned,
    ) -> None:
        self._backend = backend
        self._committer = committer
        self._revision = revision
        self._accepted = accepted
        self._abandoned = abandoned
        self.group = Group()
        self.pending: dict[int, bytes] = {}
        self.pending_bytes = 0
        self._committing: Group | None = None
        self._scheduled = False
        self._exclusive = False
        self._holds = 0
        self._forget: list[int] = []
        self._forgotten: list[asyncio.Future[None]] = []
        self._waiting: list[asyncio.Future[None]] = []

    def add(self, change: Change) -> None:
        """One more change for the group that gathers."""
        self.group.changes.append(change)
        self.pending[change.record_id] = change.record
        self.pending_bytes += len(change.record)
        if not self._scheduled:
            self.schedule()

    def drop(self, change: Change) -> None:
        """The change is durable now, or taken back."""
        del self.pending[change.record_id]
        self.pending_bytes -= len(change.record)

    def schedule(self) -> None:
        """Commit at the end of this turn, or when what runs has ended."""
        if not self._scheduled:
            self._scheduled = True
            if self._committing is None:
                asyncio.get_running_loop().call_soon(self._flush)

    def barrier(self) -> asyncio.Future[None] | None:
        """Done when everything decided so far is durable, or with what kept it from being so; None: it is."""
        group = self.group
        if group.empty:
            if self._committing is None:
                return None
            group = self._committing
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        group.waiting.append(future)
        return future

    async def forget(self, record_ids: list[int]) -> None:
        """Delete records, a step in every commit. Returns when they are gone."""
        if not record_ids:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._forget.extend(record_ids)
        self._forgotten.append(done)
        self.schedule()
        await done

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Inside, over awaits, no record is deleted and the map does not move."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._notify()
            if self._forget:
                self.schedule()

    async def copy_to(self, file: IO[bytes]) -> None:
        """A consistent copy of the file as it is now, while others write."""
        await self._until(lambda: not self._exclusive)
        with self.hold():
            await asyncio.to_thread(self._backend.copy_to, file)

    async def defragment(self) -> None:
        """Rewrite the file without its free pages. Writers wait meanwhile, readers do not."""
        await self._until(lambda: self._committing is None and not self._holds and not self._exclusive)
        self._exclusive = True
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def finish(env: Any, error: Exception | None) -> None:
            if env is not None:
                self._backend.adopt(env)
            self._exclusive = False
            if done.done():
                pass
            elif error is not None:
                done.set_exception(EtcdError(f"etcdserver: defragmentation failed: {error}"))
            else:
                done.set_result(None)
            self._notify()
            self._flush()

        self._committer.submit(self._backend.compacted_copy, finish)
        await done

    async def drain(self) -> None:
        """Wait for what was accepted; compactions go on after the next start. Raises what refused the last."""
        self._forget.clear()
        for done in self._forgotten:
            done.cancel()
        try:
            barrier = self.barrier()
            if barrier is not None:
                await barrier
        finally:
            await self._until(lambda: self._committing is None and not self._exclusive)
            self._committer.close()

    def _flush(self) -> None:
        if self._committing is not None or self._exclusive:
            return  # the end of either flushes
        self._scheduled = False
        group = self.group
        if self._forget and not self._holds:
            group.forgotten, self._forget = self._forget[:FORGET_STEP], self._forget[FORGET_STEP:]
        if group.empty:
            return
        group.revision = self._revision()
        self.group, self._committing = Group(), group
        self._committer.submit(lambda: self._backend.write(group), self._committed)

    def _committed(self, _: object, error: Exception | None) -> None:
        group, self._committing = self._committing, None
        if group is None:
            raise RuntimeError("a commit ended that nobody began")
        if isinstance(error, MapFull) and self._backend.can_grow():
            self._grow_and_repeat(group)
            return
        if error is None:
            self._accepted(group)
            group.settle(None)
            self._settle_forgotten(None)
        else:
            after, self.group = self.group, Group()
            refusal = self._abandoned(group, after, error)
            # What a compaction forgot is found again by the compaction after the next start.
            self._forget.clear()
            self._settle_forgotten(refusal)
            group.settle(refusal)
            after.settle(refusal)
        self._notify()
        self._flush()

    def _grow_and_repeat(self, group: Group) -> None:
        self._committing = group
        if self._holds:  # somebody may read the map on another thread
            asyncio.get_running_loop().call_later(0.01, self._grow_and_repeat, group)
            return
        self._backend.grow()
        self._committer.submit(lambda: self._backend.write(group), self._committed)

    def _settle_forgotten(self, error: Exception | None) -> None:
        if self._forget:
            return
        for done in self._forgotten:
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
        self._forgotten.clear()

    async def _until(self, free: Callable[[], bool]) -> None:
        while not free():
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    def _notify(self) -> None:
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)
        self._waiting.clear()
