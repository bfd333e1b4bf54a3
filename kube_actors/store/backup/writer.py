"""Writing a backup file: a stream of records into compressed blocks. Synchronous; knows nothing of stores."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from typing import IO

from kube_actors.store.backup.format import (
    BLOCK,
    BLOCK_BYTES,
    COUNTS,
    Counts,
    Header,
    KeptFile,
    LeaseGrant,
    Record,
    encode,
    encode_header,
)

# Objects are text that repeats itself: the fastest level already gives most of what there is.
LEVEL = 1


class BackupWriter:
    """Writes to an open file; `finish` once, at the end. Memory: one block."""

    def __init__(self, file: IO[bytes], header: Header) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._zlib = header.compression == "zlib"
        self._block: list[bytes] = []
        self._size = 0
        self._keys = self._leases = self._files = 0
        self._write(encode_header(header))

    def add(self, records: Iterable[Record]) -> None:
        """Append records, in any order."""
        for record in records:
            if isinstance(record, LeaseGrant):
                self._leases += 1
            elif isinstance(record, KeptFile):
                self._files += 1
            else:
                self._keys += 1
            encoded = encode(record)
            if self._size and self._size + len(encoded) > BLOCK_BYTES:
                self._end_block()
            self._block.append(encoded)
            self._size += len(encoded)

    def finish(self) -> Counts:
        """The end: counts and checksum. The file is flushed to its descriptor, not synced."""
        self._end_block()
        counts = Counts(self._keys, self._leases, self._files)
        self._write(BLOCK.pack(0, 0) + COUNTS.pack(counts.keys, counts.leases, counts.files))
        self._file.write(self._digest.digest())
        self._file.flush()
        return counts

    def _end_block(self) -> None:
        if not self._block:
            return
        raw = b"".join(self._block)
        stored = zlib.compress(raw, LEVEL) if self._zlib else raw
        self._write(BLOCK.pack(len(stored), len(raw)))
        self._write(stored)
        self._block, self._size = [], 0

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)
