"""Components that live and die together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

# A component that does not stop within this many seconds is left behind, by name in the log.
STOP_SECONDS = 10.0


class Component(Protocol):
    """What all components are: see each one's class for what it needs and promises."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Group:
    """Started in order, stopped in reverse; a start that fails stops what had started.

    `on_remove` undoes what the components leave on the machine on purpose (pods, packet filters), for
    the end of the cluster. It runs after the stop.
    """

    def __init__(
        self, name: str, members: Sequence[Component], on_remove: Sequence[Callable[[], Awaitable[None]]] = ()
    ) -> None:
        self.name = name
        self.members = tuple(members)
        self._on_remove = tuple(on_remove)
        self._started: list[Component] = []

    async def start(self) -> None:
        """Returns when all serve. Raises ConfigError as the components do."""
        for member in self.members:
            self._started.append(member)
            try:
                await member.start()
            except BaseException:
                await self.stop()
                raise

    async def stop(self) -> None:
        """Bounded and idempotent."""
        while self._started:
            member = self._started.pop()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await member.stop()
            except TimeoutError:
                log.error("component does not stop", group=self.name, component=type(member).__name__)
            except Exception as error:  # the boundary: one that fails to stop may not keep the others running
                log.error("stop failed", group=self.name, component=type(member).__name__, exc_info=error)

    async def remove(self) -> None:
        """Stop, then leave nothing on the machine."""
        await self.stop()
        for undo in self._on_remove:
            try:
                await undo()
            except Exception as error:  # the boundary: the rest is still to be removed
                log.error("removal failed", group=self.name, exc_info=error)
