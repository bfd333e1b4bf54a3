"""Tells subscribers which pods changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class Changes:
    """A pod that changes several times before a subscriber looks is told once, so nothing grows without bound."""

    def __init__(self) -> None:
        self._subscribers: list[tuple[dict[str, None], asyncio.Event]] = []
        self._closed = False

    def tell(self, uid: str) -> None:
        for pending, arrived in self._subscribers:
            pending[uid] = None
            arrived.set()

    def close(self) -> None:
        self._closed = True
        for _, arrived in self._subscribers:
            arrived.set()

    async def subscribe(self) -> AsyncIterator[str]:
        """What changes from the first step of the iteration on; ends with `close`."""
        subscriber: tuple[dict[str, None], asyncio.Event] = ({}, asyncio.Event())
        self._subscribers.append(subscriber)
        pending, arrived = subscriber
        try:
            while not self._closed:
                await arrived.wait()
                arrived.clear()
                while pending:
                    uid = next(iter(pending))
                    del pending[uid]
                    yield uid
        finally:
            self._subscribers.remove(subscriber)
