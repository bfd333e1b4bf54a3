"""What the API server needs of the store; `kube_actors.store.client.StoreClient` is it, unit tests have another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from kube_actors.store.client import KV, EventBatch, RangeResult, StoreEvent

__all__ = ["KV", "EventBatch", "RangeResult", "Storage", "StoreEvent"]


class Storage(Protocol):
    """See StoreClient for the contracts of the methods."""

    async def get(self, key: bytes, *, revision: int = 0) -> tuple[KV | None, int]: ...

    async def range(
        self,
        prefix: bytes,
        *,
        start: bytes | None = None,
        limit: int = 0,
        revision: int = 0,
        keys_only: bool = False,
        count_only: bool = False,
    ) -> RangeResult: ...

    async def put(self, key: bytes, value: bytes, *, expected_revision: int | None = None, lease: int = 0) -> int: ...

    async def delete(self, key: bytes, *, expected_revision: int | None = None) -> int: ...

    async def revision(self) -> int: ...

    def watch(
        self, prefix: bytes, start_revision: int, *, prev_kv: bool = True, progress: bool = True
    ) -> AsyncIterator[EventBatch]: ...

    async def compact(self, revision: int) -> None: ...

    async def grant_lease(self, ttl: int, lease_id: int = 0) -> int: ...
