"""How one revision of one key is written down.

    id      = main revision << 32 | sub revision << 1 | tombstone     12 bytes big-endian: the table's key
    record  = crc32 (of the id and all that follows), key length, create revision, version, lease, key, value

A transaction's writes share a main revision and differ by the sub revision, as in etcd. The tombstone is
part of the id, so that the index alone knows which keys live.
"""

from __future__ import annotations

import struct
import zlib

from kube_actors.store.errors import KV

_HEADER = struct.Struct(">IIqqq")
_BODY = struct.Struct(">Iqqq")
SIZE = _HEADER.size
ID_BYTES = 12
TOMBSTONE = 1
MAIN_SHIFT = 32


def main_of(record_id: int) -> int:
    return record_id >> MAIN_SHIFT


def first_id(main: int) -> int:
    """Not greater than any id of this main revision, greater than any before."""
    return main << MAIN_SHIFT


def encode(record_id: int, key: bytes, value: bytes, create: int, version: int, lease: int) -> bytes:
    body = b"".join((_BODY.pack(len(key), create, version, lease), key, value))
    return zlib.crc32(body, zlib.crc32(record_id.to_bytes(ID_BYTES, "big"))).to_bytes(4, "big") + body


def decode(record_id: int, record: bytes) -> KV:
    _, size, create, version, lease = _HEADER.unpack_from(record)
    end = SIZE + size
    return KV(record[SIZE:end], record[end:], record_id >> MAIN_SHIFT, create, version, lease)


def decode_head(record_id: bytes, record: bytes) -> tuple[bytes, int, int, int]:
    """(key, create revision, version, lease), checked. Raises ValueError for a damaged record or id."""
    if len(record) < SIZE:
        raise ValueError("a record is too short")
    checksum, size, create, version, lease = _HEADER.unpack_from(record)
    if SIZE + size > len(record) or zlib.crc32(memoryview(record)[4:], zlib.crc32(record_id)) != checksum:
        raise ValueError("a record does not match its checksum")
    return record[SIZE : SIZE + size], create, version, lease


def seal(key: bytes, value: bytes) -> bytes:
    """A value of the other tables, with a checksum over its key and itself."""
    return zlib.crc32(value, zlib.crc32(key)).to_bytes(4, "big") + value


def unseal(key: bytes, sealed: bytes) -> bytes:
    """Raises ValueError for a damaged key or value."""
    if zlib.crc32(memoryview(sealed)[4:], zlib.crc32(key)).to_bytes(4, "big") != sealed[:4]:
        raise ValueError(f"the entry {key!r} does not match its checksum")
    return sealed[4:]
