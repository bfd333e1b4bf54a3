"""After a change of keys: values that another key wrote are written again with the one that writes now.

Each is one compared write, so that nothing is lost to a writer who comes in between; his value is current anyway.
Several servers may do it at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from kube_actors.apiserver.encryption.transform import Transformer, Unreadable
from kube_actors.apiserver.storage import KV, Storage
from kube_actors.store.errors import RevisionConflict

log = structlog.get_logger(__name__)

PAGE = 500


async def rewrite(raw: Storage, encrypted: Storage, transformer: Transformer, prefixes: Sequence[bytes]) -> int:
    """How many values were written. `encrypted` is `raw` behind the transformer."""
    written = 0
    for prefix in prefixes:
        start: bytes | None = None
        while True:
            page = await raw.range(prefix, start=start, limit=PAGE)
            for kv in page.kvs:
                if not transformer.is_current(kv.value):
                    written += await _rewrite(encrypted, transformer, kv)
            if not page.more:
                break
            start = page.kvs[-1].key + b"\0"
    if written:
        log.info("values were encrypted with the current key", count=written)
    return written


async def _rewrite(encrypted: Storage, transformer: Transformer, kv: KV) -> int:
    try:
        value = transformer.open(kv.key, kv.value)
        await encrypted.put(kv.key, value, expected_revision=kv.mod_revision, lease=kv.lease)
    except Unreadable as error:
        log.error("a value cannot be decrypted", key=kv.key.decode(errors="replace"), reason=str(error))
        return 0
    except RevisionConflict:
        return 0
    return 1
