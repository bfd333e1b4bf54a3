"""Leases for objects that live for a while: shared by what is written within the same minute."""

from __future__ import annotations

import asyncio

from kube_actors.aio.clock import Clock
from kube_actors.apiserver.storage import Storage

# kube-apiserver's lease manager: one lease for a minute's objects, and for a thousand of them at most.
REUSE_SECONDS = 60.0
MAX_OBJECTS = 1000


class LeasePool:
    """Gives a lease of at least `ttl` seconds, and not much more."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._lock = asyncio.Lock()
        self._current: dict[int, tuple[int, float, int]] = {}

    async def get(self, ttl: int) -> int:
        """The id of a lease to attach; 0 for a ttl of 0."""
        if not ttl:
            return 0
        async with self._lock:
            lease, until, used = self._current.get(ttl, (0, 0.0, 0))
            if self._clock.now() >= until or used >= MAX_OBJECTS:
                reuse = min(REUSE_SECONDS, ttl * 0.05)
                lease = await self._storage.grant_lease(ttl + int(reuse))
                until, used = self._clock.now() + reuse, 0
            self._current[ttl] = (lease, until, used + 1)
            return lease
