"""Reading a backup file, block by block, and checking all of it."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kube_actors.store.backup.format import (
    BLOCK,
    BLOCK_LIMIT,
    COUNTS,
    DIGEST_BYTES,
    HEADER_LIMIT,
    MAGIC,
    PREFIX,
    VERSION,
    BackupError,
    Counts,
    Damaged,
    Header,
    KeptFile,
    LeaseGrant,
    Record,
    decode,
    decode_header,
)
from kube_actors.store.errors import KV

# Bytes read so far, bytes of the file.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Contents:
    """A backup whose every byte was checked. `key_bytes`: keys and values; `newest`: the last write."""

    header: Header
    counts: Counts
    size: int
    key_bytes: int
    newest: int
    leases: tuple[LeaseGrant, ...]
    files: tuple[KeptFile, ...]


class BackupReader:
    """An open backup. `records` may be iterated once; what it gave is true when it has ended without an error."""

    def __init__(self, path: Path) -> None:
        """Raises BackupError where it is none that this program reads."""
        self._path = path
        self._digest = hashlib.sha256()
        try:
            self._file: IO[bytes] = open(path, "rb")  # noqa: SIM115  (held until close)
        except OSError as error:
            raise BackupError(f"cannot read {path}: {error.strerror}") from error
        try:
            self.size = path.stat().st_size
            self.header = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> BackupReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def records(self, progress: Progress | None = None) -> Iterator[Record]:
        """All records in the order of the file. Raises Damaged."""
        keys = leases = files = 0
        try:
            while (block := self._read_block()) is not None:
                for record in decode(block):
                    if isinstance(record, KV):
                        keys += 1
                    elif isinstance(record, LeaseGrant):
                        leases += 1
                    else:
                        files += 1
                    yield record
                if progress is not None:
                    progress(self._file.tell(), self.size)
            self._check_end(Counts(keys, leases, files))
        except Damaged as error:
            raise Damaged(f"{self._path} is damaged: {error}; use another backup") from error
        except OSError as error:
            raise BackupError(f"cannot read {self._path}: {error.strerror}") from error

    def _read_header(self) -> Header:
        try:
            prefix = self._take(PREFIX.size)
        except OSError as error:
            raise BackupError(f"cannot read {self._path}: {error.strerror}") from error
        except Damaged:
            prefix = b""
        if prefix[: len(MAGIC)] != MAGIC:
            raise BackupError(f"{self._path} is no backup of kactl")
        _, version, length = PREFIX.unpack(prefix)
        if version != VERSION:
            raise BackupError(
                f"{self._path} has format version {version}, this program reads {VERSION}: use the kactl that wrote it"
            )
        try:
            if length > HEADER_LIMIT:
                raise Damaged("its header is damaged")
            return decode_header(self._take(length))
        except Damaged as error:
            raise Damaged(f"{self._path} is damaged: {error}; use another backup") from error

    def _read_block(self) -> bytes | None:
        stored, length = BLOCK.unpack(self._take(BLOCK.size))
        if not stored and not length:
            return None
        if not 0 < length <= BLOCK_LIMIT or stored > BLOCK_LIMIT:
            raise Damaged("a block's length is impossible")
        data = self._take(stored)
        if self.header.compression == "zlib":
            data = _inflate(data, length)
        if len(data) != length:
            raise Damaged("a block has another length than it says")
        return data

    def _check_end(self, found: Counts) -> None:
        counts = Counts(*COUNTS.unpack(self._take(COUNTS.size)))
        expected = self._digest.digest()
        if self._take(DIGEST_BYTES) != expected:
            raise Damaged("its checksum does not match")
        if self._file.read(1):
            raise Damaged("something follows its end")
        if counts != found:
            raise Damaged(f"it has {found.keys} keys and should have {counts.keys}")

    def _take(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise Damaged("it is cut off")
        self._digest.update(data)
        return data


def check(path: Path, progress: Progress | None = None) -> Contents:
    """Read all of a backup and check it. Raises BackupError. Memory: one block, the leases and the files."""
    leases: list[LeaseGrant] = []
    files: list[KeptFile] = []
    newest = key_bytes = keys = 0
    with BackupReader(path) as reader:
        for record in reader.records(progress):
            if isinstance(record, KV):
                keys += 1
                newest = max(newest, record.mod_revision)
                key_bytes += len(record.key) + len(record.value)
            elif isinstance(record, LeaseGrant):
                leases.append(record)
            else:
                files.append(record)
        counts = Counts(keys, len(leases), len(files))
        return Contents(reader.header, counts, reader.size, key_bytes, newest, tuple(leases), tuple(files))


def _inflate(data: bytes, length: int) -> bytes:
    """At most one byte more than expected, whatever the data would become."""
    inflater = zlib.decompressobj()
    try:
        return inflater.decompress(data, length + 1)
    except zlib.error as error:
        raise Damaged("a block cannot be decompressed") from error
