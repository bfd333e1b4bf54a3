"""Restoring into a store that runs, over etcd's API: a real etcd, or ours.

Only a new write gives a revision there, so the keys get new ones: written in the order of their
revisions, many in a transaction, after the store's revision has been raised above the backup's. Versions
start at 1. All history is compacted at the end. Whoever uses the store must be stopped meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from kube_actors.store.backup.build import MARK
from kube_actors.store.backup.format import BackupError
from kube_actors.store.backup.reader import BackupReader, Contents
from kube_actors.store.backup.spool import Spool
from kube_actors.store.backup.wire import StoreWire
from kube_actors.store.errors import KV, LeaseNotFound

# etcd's own limits: operations of a transaction (128) and bytes of a request (1.5 MiB).
OPERATIONS = 100
REQUEST_BYTES = 1 << 20
# A revision costs a write here, so less is skipped than in a store of ours.
BUMP = 10_000
# Writes that raise the revision, under way at once.
TOGETHER = 128

# What is happening, done, all.
Progress = Callable[[str, int, int], None]


async def load(
    path: Path,
    contents: Contents,
    wire: StoreWire,
    *,
    force: bool = False,
    bump: int = BUMP,
    progress: Progress | None = None,
) -> int:
    """Restore a checked backup; the store's revision then.

    Raises BackupError for a store that has keys, unless `force`: all of them are deleted then. A restore
    that is cut short leaves a part of the keys: repeat it with `force`.
    """
    say = progress or (lambda what, done, total: None)
    keys, revision = await wire.count()
    if keys and not force:
        raise BackupError(f"the store holds {keys} keys already; --force deletes them first")
    with TemporaryDirectory(prefix="kactl-restore-") as scratch:
        spool = Spool(Path(scratch) / "spool", contents.counts.keys, contents.key_bytes)
        try:
            # All is read, and checked once more, before the first change.
            await asyncio.to_thread(_read, path, spool, say)
            await _clear(wire)
            await _raise(wire, revision, contents.header.revision + bump, say)
            for grant in contents.leases:
                await wire.grant(grant)
            await _write(wire, spool.sorted(), contents.counts.keys, say)
        finally:
            spool.close()
    revision = await wire.delete(MARK, MARK + b"\0")
    await wire.compact(revision)
    return revision


def _read(path: Path, spool: Spool, say: Progress) -> None:
    with BackupReader(path) as reader:
        spool.add(reader.records(lambda done, total: say("Reading", done, total)))


async def _clear(wire: StoreWire) -> None:
    for lease in await wire.leases():
        try:
            await wire.revoke(lease)
        except LeaseNotFound:
            continue
    await wire.delete(b"\0")


async def _raise(wire: StoreWire, revision: int, target: int, say: Progress) -> None:
    """Writes of one key until the revision is there; the last one leaves the key for the end to delete."""
    mark = KV(MARK, b"", 0, 0, 0, 0)
    first = revision
    while revision < target:
        revisions = await asyncio.gather(*(wire.put([mark]) for _ in range(min(TOGETHER, target - revision))))
        revision = max(revisions)
        say("Raising the revision", min(revision, target) - first, target - first)
    await wire.put([mark])


async def _write(wire: StoreWire, kvs: Iterable[KV], total: int, say: Progress) -> None:
    done = 0
    for batch in _batches(kvs):
        await wire.put(batch)
        done += len(batch)
        say("Restoring", done, total)


def _batches(kvs: Iterable[KV]) -> Iterator[list[KV]]:
    """No key is twice in a backup, so any neighbours may share a transaction."""
    batch: list[KV] = []
    size = 0
    for kv in kvs:
        length = len(kv.key) + len(kv.value) + 64
        if batch and (len(batch) == OPERATIONS or size + length > REQUEST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(kv)
        size += length
    if batch:
        yield batch
