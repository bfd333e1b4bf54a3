"""The keys of a backup in the order of their revisions, whatever their number: sorted on disk.

A backup has its keys in the order of the keys, as a store gives them out. A restore writes them in the
order in which they were written, so that what was newer stays newer.
"""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import lmdb

from kube_actors.store.backup.files import reason_of
from kube_actors.store.backup.format import BackupError, Record, decode, encode
from kube_actors.store.errors import KV

_ORDER = struct.Struct(">QQ")
STEP = 2000
# Pages are not filled to the last byte, and a value that just exceeds one takes two.
PAGE = 4096
HEADROOM = 64 << 20


class Spool:
    """A scratch folder; `close` removes it. `records` and `key_bytes` say how large it may get."""

    def __init__(self, folder: Path, keys: int, key_bytes: int) -> None:
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700)
            self._env = lmdb.open(
                str(folder), map_size=3 * key_bytes + 3 * PAGE * keys + HEADROOM, sync=False, mode=0o600
            )
        except (OSError, lmdb.Error) as error:
            reason = reason_of(error, folder.parent)
            shutil.rmtree(folder, ignore_errors=True)
            raise BackupError(f"cannot write into {folder.parent}: {reason}") from error
        self._count = 0

    def close(self) -> None:
        self._env.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, records: Iterable[Record]) -> None:
        """Keep the keys among the records."""
        keys = (record for record in records if isinstance(record, KV))
        try:
            while step := list(islice(keys, STEP)):
                with self._env.begin(write=True) as txn:
                    for kv in step:
                        self._count += 1
                        txn.put(_ORDER.pack(kv.mod_revision, self._count), encode(kv))
        except lmdb.Error as error:
            reason = reason_of(error, self._folder)
            raise BackupError(f"cannot write into {self._folder.parent}: {reason}") from error

    def sorted(self) -> Iterator[KV]:
        """All keys, the oldest write first."""
        with self._env.begin() as txn:
            for _, encoded in txn.cursor():
                yield from (record for record in decode(encoded) if isinstance(record, KV))
