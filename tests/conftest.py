"""What holds for every test: it may not leave tasks behind, and CI cannot pass by skipping."""

from __future__ import annotations

import asyncio
import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.e2e.lab import DockerLab

# How long an example takes depends on what else the machine does: no test fails by the clock.
# KUBE_ACTORS_EXAMPLES=1000 looks harder, where a test does not say its own number.
EXAMPLES = int(os.environ.get("KUBE_ACTORS_EXAMPLES", "40"))
hypothesis.settings.register_profile("kube-actors", deadline=None, max_examples=EXAMPLES)
hypothesis.settings.load_profile("kube-actors")

LAB = "kube_actors_docker_lab"

# Set by CI: every test has what it needs there, so a skip is a failure. The one exception are tests that
# compare with recorded answers of a real API server, which are no part of the project.
NO_SKIP = os.environ.get("KUBE_ACTORS_NO_SKIP") == "1"
MAY_SKIP = "recorded answers are not here"


CLONE_NEWNET = 0x40000000


def pytest_configure(config: pytest.Config) -> None:
    """Each of several test processes gets a network of its own, where it may make one.

    Clusters of the process runtime have the same loopback addresses; two of them at a time would answer for each
    other. What a test sends has no way out of such a network either.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ or os.geteuid() != 0 or shutil.which("ip") is None:
        return
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) == 0:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


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


@pytest.fixture
def make_docker_lab() -> Iterator[Callable[[], DockerLab]]:
    """Makes Docker labs (tests/e2e/lab.py), each in a network namespace of its own; all are gone after the test."""
    with _labs() as make:
        yield make


@pytest.fixture(scope="module")
def docker_lab() -> Iterator[DockerLab]:
    """One Docker lab for the tests of a module, with the busybox image in it."""
    with _labs() as make:
        lab = make()
        lab.import_busybox()
        yield lab


@contextmanager
def _labs() -> Iterator[Callable[[], DockerLab]]:
    module = _lab_module()
    if reason := module.why_not():
        pytest.skip(reason)
    made: list[DockerLab] = []

    def make() -> DockerLab:
        lab: DockerLab = module.DockerLab()
        made.append(lab)
        lab.start()
        return lab

    try:
        yield make
    finally:
        for lab in made:
            lab.stop()
    left = [leak for lab in made for leak in lab.leaks()]
    assert not left, f"left behind: {left}"


def _lab_module() -> ModuleType:
    """tests/ is no package, so the module is loaded by its path, once."""
    if LAB in sys.modules:
        return sys.modules[LAB]
    spec = importlib.util.spec_from_file_location(LAB, Path(__file__).parent / "e2e" / "lab.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[LAB] = module
    spec.loader.exec_module(module)
    return module
