"""The store with some of its values encrypted; everything above it sees them plain."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace

import structlog

from kube_actors.api import errors
from kube_actors.api.resources import BUILTIN
from kube_actors.apiserver.config import EncryptionConfig
from kube_actors.apiserver.encryption.rewriting import rewrite
from kube_actors.apiserver.encryption.transform import PREFIX, Transformer, Unreadable
from kube_actors.apiserver.storage import KV, EventBatch, RangeResult, Storage, StoreEvent
from kube_actors.store.errors import RevisionConflict

log = structlog.get_logger(__name__)


class EncryptedStorage:
    """A Storage in front of another. What no key opens is an error to who reads it, and left out of lists."""

    def __init__(self, storage: Storage, transformer: Transformer, prefixes: Sequence[bytes]) -> None:
        self._storage = storage
        self._transformer = transformer
        self._prefixes = tuple(prefixes)

    async def get(self, key: bytes, *, revision: int = 0) -> tuple[KV | None, int]:
        """Raises InternalError for what no key opens."""
        kv, head = await self._storage.get(key, revision=revision)
        if kv is None or not kv.value.startswith(PREFIX):
            return kv, head
        try:
            return replace(kv, value=self._transformer.open(kv.key, kv.value)), head
        except Unreadable as error:
            raise errors.InternalError(
                f'Internal error occurred: unable to transform key "{key.decode()}": {error}'
            ) from error

    async def range(
        self,
        prefix: bytes,
        *,
        start: bytes | None = None,
        limit: int = 0,
        revision: int = 0,
        keys_only: bool = False,
        count_only: bool = False,
    ) -> RangeResult:
        found = await self._storage.range(
            prefix, start=start, limit=limit, revision=revision, keys_only=keys_only, count_only=count_only
        )
        if not any(kv.value.startswith(PREFIX) for kv in found.kvs):
            return found
        return replace(found, kvs=[self._opened(kv) for kv in found.kvs])

    async def put(self, key: bytes, value: bytes, *, expected_revision: int | None = None, lease: int = 0) -> int:
        sealed = self._transformer.seal(key, value) if key.startswith(self._prefixes) else value
        try:
            return await self._storage.put(key, sealed, expected_revision=expected_revision, lease=lease)
        except RevisionConflict as conflict:
            raise self._readable(conflict) from None

    async def delete(self, key: bytes, *, expected_revision: int | None = None) -> int:
        try:
            return await self._storage.delete(key, expected_revision=expected_revision)
        except RevisionConflict as conflict:
            raise self._readable(conflict) from None

    async def revision(self) -> int:
        return await self._storage.revision()

    def watch(
        self, prefix: bytes, start_revision: int, *, prev_kv: bool = True, progress: bool = True
    ) -> AsyncIterator[EventBatch]:
        return self._watch(self._storage.watch(prefix, start_revision, prev_kv=prev_kv, progress=progress))

    async def compact(self, revision: int) -> None:
        await self._storage.compact(revision)

    async def grant_lease(self, ttl: int, lease_id: int = 0) -> int:
        return await self._storage.grant_lease(ttl, lease_id)

    async def _watch(self, batches: AsyncIterator[EventBatch]) -> AsyncGenerator[EventBatch, None]:
        async for batch in batches:
            if any(event.kv.value.startswith(PREFIX) or event.prev is not None for event in batch.events):
                yield replace(batch, events=[self._event(event) for event in batch.events])
            else:
                yield batch

    def _event(self, event: StoreEvent) -> StoreEvent:
        prev = None if event.prev is None else self._opened(event.prev)
        return replace(event, kv=self._opened(event.kv), prev=prev)

    def _opened(self, kv: KV) -> KV:
        if not kv.value.startswith(PREFIX):
            return kv
        try:
            return replace(kv, value=self._transformer.open(kv.key, kv.value))
        except Unreadable as error:
            log.error("a value cannot be decrypted", key=kv.key.decode(errors="replace"), reason=str(error))
            return kv

    def _readable(self, conflict: RevisionConflict) -> RevisionConflict:
        return RevisionConflict(None if conflict.current is None else self._opened(conflict.current))


class Encryption:
    """Encryption at rest as the config wants it. Raises ConfigError."""

    def __init__(self, storage: Storage, config: EncryptionConfig) -> None:
        self._raw = storage
        self._transformer = Transformer(config.keys)
        self._prefixes = prefixes(config.resources)
        self.storage = EncryptedStorage(storage, self._transformer, self._prefixes)

    async def rewrite(self) -> None:
        """Write anew what is not encrypted with the current key."""
        try:
            await rewrite(self._raw, self.storage, self._transformer, self._prefixes)
        except errors.KubeActorsError as error:
            log.warning("not all values have the current key yet; the next start tries again", reason=str(error))


def prefixes(resources: Sequence[str]) -> list[bytes]:
    """The store's prefixes of resources by name (`secrets`, `deployments.apps`). Raises ConfigError."""
    found = []
    for name in resources:
        known = next((one for one in BUILTIN if one.qualified == name), None)
        if known is None:
            raise errors.ConfigError(f"encryption: {name} is no resource; write secrets, or deployments.apps")
        found.append(known.store_prefix.encode())
    return found
