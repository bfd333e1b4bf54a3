"""Coalescing: items that arrive in one turn of the loop travel together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TurnBatcher(Generic[T]):
    """Collects the items added during one turn of the event loop and hands them on as one list.

    add(a) add(b) | end of the turn -> flush([a, b]) | add(c) | end of the turn -> flush([c])

    It costs no latency: the flush is scheduled with the first item, behind what is ready already.
    `limit` bounds a batch; a fuller turn gives several.
    """

    def __init__(self, flush: Callable[[list[T]], None], limit: int = 1024) -> None:
        self._flush = flush
        self._limit = limit
        self._items: list[T] = []

    def add(self, item: T) -> None:
        if not self._items:
            asyncio.get_running_loop().call_soon(self._end_of_turn)
        self._items.append(item)

    def _end_of_turn(self) -> None:
        items, self._items = self._items, []
        for start in range(0, len(items), self._limit):
            self._flush(items[start : start + self._limit])
