"""Components that live and die together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
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
    """Started in order, stopped in reverse; a start that fails stops what had started."""

    def __init__(self, name: str, members: Sequence[Component]) -> None:
        self.name = name
        self.members = tuple(members)
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


async def start_together(groups: Sequence[Group]) -> None:
    """Start them at once. If some fail, the first failure is raised when all have started or failed."""
    outcomes = await asyncio.gather(*(group.start() for group in groups), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
