"""Compaction: the store forgets history that is older than the interval, as kube-apiserver has etcd do it."""

from __future__ import annotations

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.api.errors import StoreError
from kube_actors.apiserver.storage import Storage
from kube_actors.store.errors import Compacted

log = structlog.get_logger(__name__)


class Compactor:
    """Every interval it compacts to the revision of the interval before. Several servers do no harm."""

    def __init__(self, storage: Storage, clock: Clock, interval: float) -> None:
        self._storage = storage
        self._clock = clock
        self._interval = interval

    async def run(self) -> None:
        last = 0
        while True:
            await self._clock.sleep(self._interval)
            try:
                now = await self._storage.revision()
                if last:
                    await self._storage.compact(last)
                last = now
            except Compacted:
                continue
            except StoreError as error:
                log.warning("cannot compact the store", reason=str(error))
