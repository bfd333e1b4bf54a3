"""Key ranges as etcd writes them: [key, range_end), with two special ends."""

from __future__ import annotations

# "From the key to the last one", in a request.
TO_END = b"\0"


def prefix_end(prefix: bytes) -> bytes:
    """The range_end by which a request means all keys that start with `prefix`."""
    stripped = prefix.rstrip(b"\xff")
    if not stripped:
        return TO_END
    return stripped[:-1] + bytes((stripped[-1] + 1,))


def bounds(key: bytes, range_end: bytes) -> tuple[bytes, bytes | None]:
    """(first, end) of what a request means by its two fields; end None: to the last key."""
    if not range_end:
        return key, key + b"\0"
    return key, None if range_end == TO_END else range_end
