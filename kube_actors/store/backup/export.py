"""Reading a store that runs into a backup file: all keys at one revision, page by page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

from kube_actors.aio.clock import Clock, SystemClock, rfc3339
from kube_actors.store.backup.files import replacing
from kube_actors.store.backup.format import BackupError, Counts, Header, KeptFile, LeaseGrant
from kube_actors.store.backup.wire import Page, StoreWire
from kube_actors.store.backup.writer import BackupWriter
from kube_actors.store.errors import Compacted, EtcdError

log = structlog.get_logger(__name__)

# A page has about that many bytes: far below the largest message, much above a round trip's cost.
PAGE_BYTES = 4 << 20
FIRST_PAGE = 100
LARGEST_PAGE = 5000
# A revision that is compacted away while it is read: so often the backup begins anew at the newest one.
ATTEMPTS = 3
# A lease that ended while it was backed up ends again soon after the restore, and its keys with it.
ENDED_TTL = 5

# Keys written so far, keys there are.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made."""

    path: Path
    revision: int
    counts: Counts
    size: int


@dataclass(frozen=True, slots=True)
class Choices:
    """How to make one. `files` are taken along as they are."""

    cluster: str = ""
    compression: str = "zlib"
    files: Sequence[KeptFile] = ()


async def export(
    wire: StoreWire,
    target: Path,
    choices: Choices,
    progress: Progress | None = None,
    clock: Clock | None = None,
) -> Backup:
    """Make a backup. Raises BackupError or EtcdError; the target is then as it was before.

    The store only sees reads of bounded pages; compressing and writing happen on another thread.
    """
    clock = clock or SystemClock()
    context = replacing(target)
    file = await asyncio.to_thread(context.__enter__)
    try:
        revision, counts = await _with_attempts(wire, file, choices, progress, clock)
        size = file.tell()
    except BaseException as error:
        context.__exit__(type(error), error, error.__traceback__)
        raise
    await asyncio.to_thread(context.__exit__, None, None, None)
    return Backup(target, revision, counts, size)


async def _with_attempts(
    wire: StoreWire, file: IO[bytes], choices: Choices, progress: Progress | None, clock: Clock
) -> tuple[int, Counts]:
    for attempt in range(1, ATTEMPTS + 1):
        file.seek(0)
        file.truncate()
        try:
            return await _export(wire, file, choices, progress, clock)
        except Compacted:
            log.info("the revision was compacted away during the backup; it begins anew", attempt=attempt)
    raise BackupError(
        f"the store compacted the revision of the backup away {ATTEMPTS} times while it was read; "
        "have it keep its history for longer, or try when it is less busy"
    )


async def _export(
    wire: StoreWire, file: IO[bytes], choices: Choices, progress: Progress | None, clock: Clock
) -> tuple[int, Counts]:
    # The first page decides the revision; all others are asked for at that one.
    page = await _page(wire, b"\0", FIRST_PAGE, 0)
    revision, total = page.revision, page.total
    header = Header(revision, rfc3339(clock.now()), choices.cluster, choices.compression)
    writer = await asyncio.to_thread(BackupWriter, file, header)
    await asyncio.to_thread(writer.add, choices.files)
    leases: set[int] = set()
    done = 0
    while True:
        await asyncio.to_thread(writer.add, page.kvs)
        leases.update(kv.lease for kv in page.kvs if kv.lease)
        done += len(page.kvs)
        if progress is not None:
            progress(done, total)
        if not page.more:
            break
        page = await _next_page(wire, page, revision)
    # After the keys: every lease that a key names is then in the file.
    leases.update(await wire.leases())
    grants = await wire.granted(sorted(leases))
    ended = [LeaseGrant(grant.id, ENDED_TTL) if grant.ttl < 0 else grant for grant in grants]
    await asyncio.to_thread(writer.add, ended)
    return revision, await asyncio.to_thread(writer.finish)


async def _next_page(wire: StoreWire, last: Page, revision: int) -> Page:
    """The page after `last`, of a size that fits the values seen there."""
    size = sum(len(kv.key) + len(kv.value) for kv in last.kvs)
    limit = max(1, min(LARGEST_PAGE, PAGE_BYTES * len(last.kvs) // max(size, 1)))
    return await _page(wire, last.kvs[-1].key + b"\0", limit, revision)


async def _page(wire: StoreWire, start: bytes, limit: int, revision: int) -> Page:
    while True:
        try:
            return await wire.page(start, limit, revision)
        except EtcdError as error:
            # The values here are much larger than those before: together they exceed a message.
            if limit == 1 or "RESOURCE_EXHAUSTED" not in str(error):
                raise
            limit = max(1, limit // 16)
