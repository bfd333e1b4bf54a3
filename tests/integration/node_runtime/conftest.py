from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kube_actors.node.runtime.interface import PodRecord, SandboxSpec
from kube_actors.node.runtime.process import ProcessConfig, ProcessRuntime


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[ProcessRuntime]:
    """A process runtime; what a test leaves running is removed after it, by a runtime that adopts it."""
    config = ProcessConfig(tmp_path / "node", "test", tmp_path.name)
    runtime = ProcessRuntime(config)
    await runtime.start()
    yield runtime
    await runtime.stop()
    last = ProcessRuntime(config)
    await last.start()
    for pod in await last.list_pods():
        await last.remove_sandbox(pod.sandbox_id)
    assert await last.list_pods() == []
    await last.stop()


@pytest.fixture
async def sandbox(runtime: ProcessRuntime) -> PodRecord:
    return await runtime.run_sandbox(SandboxSpec("default", "web", "uid-1", "web-host", ip="127.128.0.7"))
