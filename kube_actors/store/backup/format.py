"""What a backup file is made of.

    magic  8 bytes
    u16    version of the format, u32 length of the header
    header JSON: revision, created, cluster, compression
    blocks u32 stored length, u32 length, then that many bytes, zlib or as they are; both 0: the last one
    u64    keys, u64 leases, u64 files
    sha256 32 bytes, of everything before

A block holds whole records. All numbers are big-endian.

    u8 1   key      u32 key length, u32 value length, i64 create, mod, version, lease, key, value
    u8 2   lease    i64 id, i64 granted seconds
    u8 3   file     u16 name length, u32 length, name (UTF-8), content
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kube_actors.api.errors import StoreError
from kube_actors.store.errors import KV

MAGIC = b"KABACKUP"
VERSION = 1
COMPRESSIONS = ("zlib", "none")
# Records are gathered until a block is this long; one longer record has a block of its own.
BLOCK_BYTES = 1 << 20
# No block is longer: what says so is damaged, and must not cost its length in memory.
BLOCK_LIMIT = 256 << 20
HEADER_LIMIT = 1 << 20

PREFIX = struct.Struct(">8sHI")
BLOCK = struct.Struct(">II")
COUNTS = struct.Struct(">QQQ")
DIGEST_BYTES = 32
_KEY = struct.Struct(">BIIqqqq")
_LEASE = struct.Struct(">Bqq")
_FILE = struct.Struct(">BHI")
_KEY_KIND, _LEASE_KIND, _FILE_KIND = 1, 2, 3
# A file's name becomes a path below the cluster's folder: no absolute ones, no way up.
_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]*(/[A-Za-z0-9][-A-Za-z0-9_.]*)*")


class BackupError(StoreError):
    """A backup that cannot be made, read or restored; one line for the user."""


class Damaged(BackupError):
    """The file is not what was written."""


@dataclass(frozen=True, slots=True)
class LeaseGrant:
    """A lease and the seconds it was granted for."""

    id: int
    ttl: int


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of the cluster that is not in its store, such as a key."""

    name: str
    content: bytes = field(repr=False)


Record = KV | LeaseGrant | KeptFile


@dataclass(frozen=True, slots=True)
class Header:
    """`revision` is the one revision that all keys are of; `created` is RFC 3339."""

    revision: int
    created: str
    cluster: str = ""
    compression: str = "zlib"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many records of each kind a backup has."""

    keys: int = 0
    leases: int = 0
    files: int = 0


def encode_header(header: Header) -> bytes:
    """The beginning of a file."""
    fields = {
        "revision": header.revision,
        "created": header.created,
        "cluster": header.cluster,
        "compression": header.compression,
    }
    content = json.dumps(fields).encode()
    return PREFIX.pack(MAGIC, VERSION, len(content)) + content


def decode_header(content: bytes) -> Header:
    """Raises Damaged. Fields that this version does not know are left aside."""
    try:
        fields: dict[str, Any] = json.loads(content)
        header = Header(
            int(fields["revision"]), str(fields["created"]), str(fields["cluster"]), str(fields["compression"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged("its header is damaged") from error
    if header.compression not in COMPRESSIONS or header.revision < 0:
        raise Damaged("its header is damaged")
    return header


def encode(record: Record) -> bytes:
    """One record."""
    if isinstance(record, KV):
        head = _KEY.pack(
            _KEY_KIND,
            len(record.key),
            len(record.value),
            record.create_revision,
            record.mod_revision,
            record.version,
            record.lease,
        )
        return b"".join((head, record.key, record.value))
    if isinstance(record, LeaseGrant):
        return _LEASE.pack(_LEASE_KIND, record.id, record.ttl)
    name = record.name.encode()
    return b"".join((_FILE.pack(_FILE_KIND, len(name), len(record.content)), name, record.content))


def decode(block: bytes) -> Iterator[Record]:
    """The records of a block. Raises Damaged."""
    at, size = 0, len(block)
    while at < size:
        try:
            record, at = _DECODERS[block[at]](block, at)
        except (KeyError, struct.error, UnicodeDecodeError) as error:
            raise Damaged("a record is damaged") from error
        if at > size:
            raise Damaged("a record is cut off")
        yield record


def _decode_key(block: bytes, at: int) -> tuple[Record, int]:
    _, key_size, value_size, create, mod, version, lease = _KEY.unpack_from(block, at)
    start = at + _KEY.size
    middle, end = start + key_size, start + key_size + value_size
    return KV(block[start:middle], block[middle:end], mod, create, version, lease), end


def _decode_lease(block: bytes, at: int) -> tuple[Record, int]:
    _, lease, ttl = _LEASE.unpack_from(block, at)
    return LeaseGrant(lease, ttl), at + _LEASE.size


def _decode_file(block: bytes, at: int) -> tuple[Record, int]:
    _, name_size, size = _FILE.unpack_from(block, at)
    start = at + _FILE.size
    middle, end = start + name_size, start + name_size + size
    name = block[start:middle].decode()
    if not _NAME.fullmatch(name):
        raise Damaged(f"it names a file {name!r}")
    return KeptFile(name, block[middle:end]), end


_DECODERS = {_KEY_KIND: _decode_key, _LEASE_KIND: _decode_lease, _FILE_KIND: _decode_file}
