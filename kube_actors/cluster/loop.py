"""One event loop for a command that has several parts.

gRPC's poller belongs to the first loop of a process and complains when that loop is closed while another
runs, so `asyncio.run` twice in one process is not for us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_runner: asyncio.Runner | None = None


def run(work: Coroutine[Any, Any, T]) -> T:
    """What `asyncio.run` does, but in the loop of the earlier calls."""
    global _runner
    if _runner is None:
        _runner = asyncio.Runner()
    return _runner.run(work)


def close() -> None:
    """At the end of the program."""
    global _runner
    if _runner is not None:
        runner, _runner = _runner, None
        runner.close()
