"""The file: LMDB with one table for records, one for leases, one for the rest.

    revisions   id -> record            appended to, so a commit touches the last pages only
    leases      lease id -> granted TTL
    meta        format, cluster, member, compacted, alarm

It does what it is told, synchronously; `engine` decides, `committer` says on which thread. Memory mode
is the same file without fsync, unlinked as soon as it is open, so that nothing remains of a killed process.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import lmdb

from kube_actors.api.errors import ConfigError
from kube_actors.store.group import Group
from kube_actors.store.pages import Damaged, Pages
from kube_actors.store.records import ID_BYTES, decode_head, first_id, seal, unseal

FORMAT = b"2"
FILE = "store.lmdb"
# The map grows by doubling from here; beyond the quota there is room for deletions and compaction.
FIRST_MAP = 64 << 20
HEADROOM = 64 << 20
# A commit needs pages beyond its records; with less left than both the disk counts as full.
FULL_MARGIN = 1 << 20
# Memory mode lives in RAM where that much is free, else in the system's temporary folder.
SHARED_MEMORY = Path("/dev/shm")
SHARED_MEMORY_FREE = 1 << 30


class MapFull(Exception):
    """The map has to grow before this group can be written."""


class DiskFull(Exception):
    """The file system has no space left."""


class Backend:
    """An open store file. Raises ConfigError where it cannot be one."""

    def __init__(self, data_dir: Path | None, quota: int) -> None:
        self._quota = quota
        self._lock: IO[bytes] | None = None
        self._durable = data_dir is not None
        self._path = _temporary() if data_dir is None else data_dir / FILE
        if data_dir is not None:
            self._lock = _claim(data_dir)
        try:
            self._env = self._open(self._path)
            self._tables()
        except BaseException:
            self.close()
            raise
        if data_dir is None:
            shutil.rmtree(self._path.parent, ignore_errors=True)

    @property
    def durable(self) -> bool:
        return self._durable

    def close(self) -> None:
        env = getattr(self, "_env", None)
        if env is not None:
            env.close()
        if self._lock is not None:
            self._lock.close()

    def meta(self, key: bytes) -> bytes | None:
        with self._env.begin(db=self._meta) as txn:
            value: bytes | None = txn.get(key)
            return None if value is None else unseal(key, value)

    def leases(self) -> list[tuple[int, int]]:
        """(id, granted TTL) of every lease."""
        with self._env.begin(db=self._leases) as txn:
            return [(_signed(key), _signed(unseal(key, value))) for key, value in txn.cursor()]

    def heads(self) -> Iterator[tuple[int, bytes, int, int, int]]:
        """(id, key, create revision, version, lease) of every record, in order, each checked: its page, its
        checksum, its place. To be read to the end before the first write."""
        if self._fresh:
            return
        try:
            with Pages(self._path) as pages:
                _check_small_tables(pages)
                before = b""
                for record_id, record in pages.items(b"revisions"):
                    if record_id <= before:
                        raise Damaged("records are out of order")
                    before = record_id
                    yield (int.from_bytes(record_id, "big"), *decode_head(record_id, record))
                pages.check_free()
        except (Damaged, ValueError) as error:
            raise ConfigError(_corrupt(self._path, str(error))) from error

    def record(self, record_id: int) -> bytes | None:
        with self._env.begin(db=self._revisions) as txn:
            value: bytes | None = txn.get(record_id.to_bytes(ID_BYTES, "big"))
            return value

    def records(self, ids: Iterable[int]) -> list[bytes | None]:
        """Several records of one snapshot."""
        with self._env.begin(db=self._revisions) as txn:
            get = txn.get
            return [get(record_id.to_bytes(ID_BYTES, "big")) for record_id in ids]

    def scan(self, first: int, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` (id, record) from an id on."""
        found: list[tuple[int, bytes]] = []
        with self._env.begin(db=self._revisions) as txn:
            cursor = txn.cursor()
            if cursor.set_range(first.to_bytes(ID_BYTES, "big")):
                for key, record in cursor:
                    found.append((int.from_bytes(key, "big"), record))
                    if len(found) == limit:
                        break
        return found

    def write(self, group: Group) -> None:
        """Make a group durable, whole or not at all. Raises MapFull, DiskFull, or OSError for a failing disk."""
        try:
            with self._env.begin(write=True) as txn:
                self._write(txn, group)
        except lmdb.MapFullError as error:
            raise MapFull from error
        except lmdb.Error as error:
            if self._is_full(str(error), group):
                raise DiskFull(str(error)) from error
            raise OSError(str(error)) from error

    def _is_full(self, reason: str, group: Group) -> bool:
        # LMDB gives the system's errors as a text; a full disk is the one with a way out.
        if os.strerror(errno.ENOSPC) in reason or os.strerror(errno.EDQUOT) in reason:
            return True
        # It calls a write that was cut short an input/output error: so ends the last one that half fits.
        if os.strerror(errno.EIO) not in reason:
            return False
        usage = os.statvfs(self._path.parent)
        needed = sum(len(change.record) for change in group.changes) + FULL_MARGIN
        return usage.f_bavail * usage.f_frsize < needed

    def _write(self, txn: Any, group: Group) -> None:
        if group.changes:
            items = [(change.record_id.to_bytes(ID_BYTES, "big"), change.record) for change in group.changes]
            txn.cursor(self._revisions).putmulti(items, append=True)
        for record_id in group.forgotten:
            txn.delete(record_id.to_bytes(ID_BYTES, "big"), db=self._revisions)
        for lease, ttl in group.leases.items():
            key = lease.to_bytes(8, "big", signed=True)
            if ttl is None:
                txn.delete(key, db=self._leases)
            else:
                txn.put(key, seal(key, ttl.to_bytes(8, "big", signed=True)), db=self._leases)
        for name, value in group.meta.items():
            txn.put(name, seal(name, value), db=self._meta)

    def can_grow(self) -> bool:
        return bool(self._env.info()["map_size"] < self._map_limit())

    def grow(self) -> None:
        """Double the map. No transaction may be open in this process."""
        self._env.set_mapsize(min(self._env.info()["map_size"] * 2, self._map_limit()))

    def size(self) -> int:
        """Bytes of the file."""
        return int((self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"])

    def size_in_use(self) -> int:
        """Bytes of pages that hold something; the rest is reused before the file grows."""
        with self._env.begin() as txn:
            stats = [txn.stat(db) for db in (self._revisions, self._leases, self._meta)]
        pages = sum(stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"] for stat in stats)
        return int((pages + 4) * stats[0]["psize"])

    def copy_to(self, file: IO[bytes]) -> None:
        """A compact, consistent copy, while others write. The map must not grow meanwhile."""
        self._env.copyfd(file.fileno(), compact=True)

    def compacted_copy(self) -> lmdb.Environment | None:
        """Rewrite the file without its free pages, in place; to be adopted. Nobody may write meanwhile."""
        if not self._durable:
            return None  # its file has no name any more, and its free pages are only memory
        fresh = self._path.with_suffix(".defrag")
        fresh.unlink(missing_ok=True)
        with open(fresh, "wb") as file:
            self.copy_to(file)
            os.fsync(file.fileno())
        os.replace(fresh, self._path)
        _sync_folder(self._path.parent)
        # The old environment's lock file must not be shared with the new file.
        Path(f"{self._path}-lock").unlink(missing_ok=True)
        return self._open(self._path)

    def adopt(self, env: lmdb.Environment) -> None:
        """Go on with the environment that `compacted_copy` opened. No transaction may be open."""
        old, self._env = self._env, env
        old.close()
        self._open_tables()

    def _map_limit(self) -> int:
        return self._quota + self._quota // 4 + HEADROOM

    def _open(self, path: Path) -> lmdb.Environment:
        size = path.stat().st_size if path.exists() else 0
        if size:
            _check_structure(path)
        try:
            env = lmdb.open(
                str(path),
                subdir=False,
                map_size=max(size, min(FIRST_MAP, self._map_limit())),
                max_dbs=8,
                sync=self._durable,
                metasync=self._durable,
                mode=0o600,
                readahead=False,
            )
        except lmdb.Error as error:
            raise ConfigError(_corrupt(path, str(error))) from error
        return env

    def _tables(self) -> None:
        self._fresh = self._env.stat()["entries"] == 0
        if not self._fresh:
            try:
                self._open_tables()
                version = self.meta(b"format")
            except (lmdb.Error, ValueError) as error:
                raise ConfigError(_corrupt(self._path, str(error))) from error
            if version != FORMAT:
                raise ConfigError(
                    f"{self._path} has format {(version or b'none').decode(errors='replace')}, this program reads "
                    f"{FORMAT.decode()}: use the version that wrote it, or another data folder"
                )
            return
        self._meta = self._env.open_db(b"meta")
        self._revisions = self._env.open_db(b"revisions")
        self._leases = self._env.open_db(b"leases")
        with self._env.begin(write=True, db=self._meta) as txn:
            for name, value in (
                (b"format", FORMAT),
                (b"cluster", secrets.token_bytes(8)),
                (b"member", secrets.token_bytes(8)),
            ):
                txn.put(name, seal(name, value))
        if self._durable:
            _sync_folder(self._path.parent)

    def _open_tables(self) -> None:
        self._meta = self._env.open_db(b"meta", create=False)
        self._revisions = self._env.open_db(b"revisions", create=False)
        self._leases = self._env.open_db(b"leases", create=False)


def last_id(main: int) -> int:
    return first_id(main + 1) - 1


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "big", signed=True)


def _corrupt(path: Path, reason: str) -> str:
    return f"{path} is damaged or no store ({reason}): move it away, or restore a backup; it was not changed"


def _check_structure(path: Path) -> None:
    """What LMDB reads when it opens the file must not lead it astray; the records are checked when loaded."""
    try:
        with Pages(path) as pages:
            if pages.tables and not {b"revisions", b"leases", b"meta"} <= pages.tables.keys():
                raise Damaged("a table is missing")
            for table in (b"leases", b"meta"):
                for _ in pages.items(table) if pages.tables else ():
                    pass
            pages.check_free()
    except Damaged as error:
        raise ConfigError(_corrupt(path, str(error))) from error


def _check_small_tables(pages: Pages) -> None:
    for table in (b"leases", b"meta"):
        for key, value in pages.items(table):
            unseal(key, value)


def _claim(folder: Path) -> IO[bytes]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = open(folder / "lock", "ab")  # noqa: SIM115  (held until close)
    except OSError as error:
        raise ConfigError(f"cannot use {folder} for the store: {error.strerror}; choose another folder") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ConfigError(f"{folder} is in use by another store; stop it or choose another folder") from error
    return lock


def _temporary() -> Path:
    parent: str | None = None
    if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK):
        usage = os.statvfs(SHARED_MEMORY)
        if usage.f_bavail * usage.f_frsize >= SHARED_MEMORY_FREE:
            parent = str(SHARED_MEMORY)
    return Path(tempfile.mkdtemp(prefix="kube-actors-", dir=parent)) / FILE


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
