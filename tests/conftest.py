"""What holds for every test: it may not leave tasks behind, and CI cannot pass by skipping."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

# Set by CI: every test has what it needs there, so a skip is a failure. The one exception are tests that
# compare with recorded answers of a real API server, which are no part of the project.
NO_SKIP = os.environ.get("KUBE_ACTORS_NO_SKIP") == "1"
MAY_SKIP = "recorded answers are not here"


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    """In CI, turn a skip into a failure that says why it was skipped."""
    report: pytest.TestReport = yield
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail") and MAY_SKIP not in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report
