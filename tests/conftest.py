"""What holds for every test: it may not leave tasks behind, and pending coroutines are errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest


@pytest.fixture(autouse=True)
async def no_task_outlives_its_test() -> AsyncIterator[None]:
    """A task that a test leaves running is a component that was not stopped."""
    before = asyncio.all_tasks()
    yield
    # gRPC and aiohttp end their own connection tasks in the turns after a close.
    for _ in range(20):
        left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
        if not left:
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"tasks left running: {sorted(task.get_name() for task in left)}")
