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
