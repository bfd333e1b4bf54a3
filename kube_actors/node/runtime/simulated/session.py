"""A session with a simulated container: what goes in comes out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

LIMIT = 256


class EchoSession:
    """Answers its stdin on stdout, and ends with code 0 when it is closed; without stdin it ends at once."""

    def __init__(self, stdin: bool) -> None:
        self._input: asyncio.Queue[bytes] = asyncio.Queue(LIMIT)
        self._open = stdin

    async def write_stdin(self, data: bytes) -> None:
        if data:
            await self._input.put(data)

    async def close_stdin(self) -> None:
        await self._input.put(b"")

    async def resize(self, width: int, height: int) -> None:
        return

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        while self._open:
            data = await self._input.get()
            if not data:
                self._open = False
                return
            yield 1, data

    async def wait(self) -> int:
        return 0

    async def close(self) -> None:
        self._open = False
