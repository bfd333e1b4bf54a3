"""What one commit carries: the writes that arrived while the commit before was under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from kube_actors.store.index import Head


class Change(NamedTuple):
    """One event of the history. `replaced` is the id of the record that was valid before, 0 for none."""

    record_id: int
    key: bytes
    record: bytes
    replaced: int


@dataclass(slots=True, eq=False)
class Group:
    """`journal` and `undo` take the group back in memory if it cannot be written."""

    changes: list[Change] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    leases: dict[int, int | None] = field(default_factory=dict)
    meta: dict[bytes, bytes] = field(default_factory=dict)
    journal: list[tuple[bytes, Head | None]] = field(default_factory=list)
    undo: list[Callable[[], None]] = field(default_factory=list)
    waiting: list[asyncio.Future[None]] = field(default_factory=list)
    revision: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write (somebody may wait all the same)."""
        return not (self.changes or self.forgotten or self.leases or self.meta)

    def settle(self, error: Exception | None) -> None:
        for future in self.waiting:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
