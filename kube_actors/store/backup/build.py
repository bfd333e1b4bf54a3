"""Restoring into a store of ours that does not run: a new file beside the old one, exchanged in one step.

    folder/restore.kactl-partial/   the new file while it grows; removed by the next restore if this one is killed
    folder/store.lmdb               the old file, then the new one: there is no moment without one
    folder/store.lmdb.replaced      the old file, until the restore after this one

All revisions are raised by one number, so that the keys keep their order, their versions and the
distances between them, and nothing that any client has seen is greater (etcd: --bump-revision). All
history counts as compacted (etcd: --mark-compacted).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import lmdb

from kube_actors.api.errors import ConfigError
from kube_actors.store.backend import FILE, Backend, DiskFull, MapFull
from kube_actors.store.backup.files import PARTIAL, reason_of, sync_folder
from kube_actors.store.backup.format import BackupError
from kube_actors.store.backup.reader import BackupReader, Contents
from kube_actors.store.backup.spool import Spool
from kube_actors.store.engine import QUOTA
from kube_actors.store.errors import KV
from kube_actors.store.group import Change, Group
from kube_actors.store.pages import Damaged, Pages
from kube_actors.store.records import ID_BYTES, MAIN_SHIFT, TOMBSTONE, encode

WORK = f"restore{PARTIAL}"
REPLACED = f"{FILE}.replaced"
# More writes than a cluster makes between its last backup and its end: 1,500 a second for a week.
BUMP = 1_000_000_000
STEP = 2000
# The store's revision is that of its newest record; this one exists for that, and is deleted.
MARK = b"kube-actors/restored"

# What is happening, done, all.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Built:
    """A restored store: its revision, and the file that it replaced (None: there was none)."""

    revision: int
    replaced: Path | None


def existing(folder: Path) -> int | None:
    """The revision of the store in a folder; None where there is none, 0 where it cannot be read."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        # LMDB trusts what it reads, and a page beyond the end of the file would kill the process.
        with Pages(path) as pages:
            pages.check_free()
        env = lmdb.open(str(path), subdir=False, readonly=True, lock=False, max_dbs=8)
        with env, env.begin(db=env.open_db(b"revisions", create=False)) as txn:
            cursor = txn.cursor()
            return int.from_bytes(cursor.key()[:ID_BYTES], "big") >> MAIN_SHIFT if cursor.last() else 0
    except (lmdb.Error, Damaged, OSError):
        return 0


def build(
    path: Path,
    contents: Contents,
    folder: Path,
    *,
    force: bool = False,
    bump: int = BUMP,
    progress: Progress | None = None,
) -> Built:
    """Restore a checked backup into a store's folder. Raises BackupError; nothing is changed then.

    The store may not run. One that is there is replaced only with `force`.
    """
    say = progress or (lambda what, done, total: None)
    with ExitStack() as stack:
        fresh = not folder.exists()
        stack.enter_context(_claimed(folder))
        old = existing(folder)
        if old is not None and not force:
            raise BackupError(
                f"{folder} holds a store already (revision {old}); --force replaces it and keeps it aside"
            )
        work = folder / WORK
        shutil.rmtree(work, ignore_errors=True)
        stack.callback(_clean, folder, work, fresh)
        shift = max(bump, (old or 0) - contents.header.revision + bump)
        revision = max(contents.header.revision, contents.newest) + shift + 1
        try:
            _fill(path, contents, work, shift, revision, say)
            return Built(revision, _exchange(folder, work))
        except (DiskFull, OSError, ConfigError, lmdb.Error) as error:
            raise BackupError(
                f"cannot restore into {folder}: {reason_of(error, folder)}; nothing was changed"
            ) from error


def _fill(path: Path, contents: Contents, work: Path, shift: int, revision: int, say: Progress) -> None:
    work.mkdir(mode=0o700)
    spool = Spool(work / "spool", contents.counts.keys, contents.key_bytes)
    try:
        with BackupReader(path) as reader:
            spool.add(reader.records(lambda done, total: say("Reading", done, total)))
        quota = max(QUOTA, 4 * contents.key_bytes)
        backend = Backend(work / "store", quota)
        try:
            for group in _groups(spool.sorted(), shift, contents.counts.keys, say):
                _write(backend, group)
            _write(backend, _last(contents, revision))
        finally:
            backend.close()
    finally:
        spool.close()


def _groups(kvs: Iterable[KV], shift: int, total: int, say: Progress) -> Iterator[Group]:
    """What commits carry, with ids that only grow: writes of one revision get sub revisions in order."""
    kvs = iter(kvs)
    main = sub = done = 0
    while step := list(islice(kvs, STEP)):
        group = Group()
        for kv in step:
            sub = sub + 1 if kv.mod_revision + shift == main else 0
            main = kv.mod_revision + shift
            record_id = main << MAIN_SHIFT | sub << 1
            record = encode(record_id, kv.key, kv.value, kv.create_revision + shift, kv.version, kv.lease)
            group.changes.append(Change(record_id, kv.key, record, 0))
        done += len(step)
        say("Restoring", done, total)
        yield group


def _last(contents: Contents, revision: int) -> Group:
    """Leases, and the revision that the store continues from; all before it is compacted."""
    record_id = revision << MAIN_SHIFT | TOMBSTONE
    mark = Change(record_id, MARK, encode(record_id, MARK, b"", 0, 0, 0), 0)
    leases: dict[int, int | None] = {grant.id: grant.ttl for grant in contents.leases}
    return Group(changes=[mark], leases=leases, meta={b"compacted": str(revision).encode()})


def _write(backend: Backend, group: Group) -> None:
    while True:
        try:
            backend.write(group)
            return
        except MapFull as error:
            if not backend.can_grow():
                raise BackupError("the backup does not fit into a store") from error
            backend.grow()


def _exchange(folder: Path, work: Path) -> Path | None:
    """The step that counts is one rename; before it the old file has a second name."""
    current, replaced = folder / FILE, folder / REPLACED
    kept = None
    if current.exists():
        replaced.unlink(missing_ok=True)
        os.link(current, replaced)
        sync_folder(folder)
        kept = replaced
    os.replace(work / "store" / FILE, current)
    # It belongs to the old file; nobody has it open, or the folder's lock would not be ours.
    Path(f"{current}-lock").unlink(missing_ok=True)
    sync_folder(folder)
    return kept


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Hold the lock by which a store owns its folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = open(folder / "lock", "ab")  # noqa: SIM115  (held below)
    except OSError as error:
        raise BackupError(f"cannot use {folder} for the store: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BackupError(f"{folder} is in use by a store that runs; stop it first ('kactl down')") from error
        yield


def _clean(folder: Path, work: Path, fresh: bool) -> None:
    """No trace of a restore that failed, but in a folder that was there before."""
    shutil.rmtree(work, ignore_errors=True)
    if fresh and not (folder / FILE).exists():
        shutil.rmtree(folder, ignore_errors=True)
