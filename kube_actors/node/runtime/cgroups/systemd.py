"""Control groups as slices of systemd, whose affair all groups are where an engine's driver for them is `systemd`.

What is written here into a group's files would be lost when systemd looks at the unit again, so that limits are the
units' properties, as in opencontainers/cgroups. What there is the file system tells, which needs no questions.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path, PurePosixPath

import structlog

from kube_actors.node.runtime.cgroups import bus, values
from kube_actors.node.runtime.cgroups.cgroupfs import MOUNT, REMOVE_SECONDS, inside, remove
from kube_actors.node.runtime.interface import Limits

log = structlog.get_logger(__name__)

Connect = Callable[[], AbstractAsyncContextManager[bus.Manager]]
LOOK_SECONDS = 0.005


class Slices:
    """The groups of one node, on version 2. What is above pods comes and goes with them, so one thing at a time."""

    def __init__(self, mount: Path = MOUNT, connect: Connect = bus.connect) -> None:
        self._mount, self._connect = mount, connect
        self._lock = asyncio.Lock()

    def parent_name(self, path: PurePosixPath) -> str:
        return values.slice_of(path)

    def own_name(self, folder: str) -> str:
        return values.name_of_slice(folder)

    def folders(self, path: PurePosixPath) -> list[Path]:
        folder = self._folder(path)
        return [folder] if folder.is_dir() else []

    async def create(self, path: PurePosixPath, limits: Limits) -> None:
        async with self._manager() as manager:
            for each in values.slices_to(path.parent):
                if not self.folders(each):
                    shares = values.shares_of_parent(each)
                    await _start(manager, each, {} if shares is None else values.slice_weight(shares))
            await _start(manager, path, values.slice_limits(limits))

    async def update(self, path: PurePosixPath, limits: Limits) -> None:
        async with self._manager() as manager:
            await manager.set(values.slice_of(path), values.slice_limits(limits))

    async def weigh(self, path: PurePosixPath, shares: int) -> None:
        try:
            async with self._manager() as manager:
                # With its last pod the group goes too.
                if self.folders(path):
                    await manager.set(values.slice_of(path), values.slice_weight(shares))
        except OSError as exc:
            log.warning("the weight of a class of pods was not set", slice=values.slice_of(path), error=str(exc))

    async def remove(self, path: PurePosixPath) -> None:
        """systemd would end what still runs in a slice."""
        try:
            if not await asyncio.to_thread(_ended, self._folder(path)):
                return
            async with self._manager() as manager:
                await manager.stop(values.slice_of(path))
                await asyncio.to_thread(remove, inside(self._folder(path)))
                for each in reversed(values.slices_to(path.parent)):
                    if any(below.is_dir() for folder in self.folders(each) for below in folder.iterdir()):
                        break
                    await manager.stop(values.slice_of(each))
        except OSError as exc:
            log.warning("a pod's control group was not removed", slice=values.slice_of(path), error=str(exc))

    def _folder(self, path: PurePosixPath) -> Path:
        return self._mount / values.slice_folder(path)

    @asynccontextmanager
    async def _manager(self) -> AsyncIterator[bus.Manager]:
        async with self._lock, self._connect() as manager:
            yield manager


def _ended(group: Path) -> bool:
    """Whether nothing runs in a group any more, or stops to within a moment."""
    deadline = time.monotonic() + REMOVE_SECONDS
    while "populated 1" in _read(group / "cgroup.events"):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _read(file: Path) -> str:
    with suppress(FileNotFoundError):
        return file.read_text()
    return ""


async def detect(domain: str) -> Slices:
    """Raises OSError where the node may make no slices: it is tried."""
    slices, probe = Slices(), values.kubepods(domain) / values.PROBE
    await slices.create(probe, Limits())
    await slices.remove(probe)
    return slices


async def _start(manager: bus.Manager, path: PurePosixPath, limits: Mapping[str, int]) -> None:
    above = values.slices_to(path)[-2:-1]
    await manager.start(
        values.slice_of(path),
        {
            "Description": f"pods of kube-actors: {path}",
            "DefaultDependencies": False,
            "Wants": [values.slice_of(each) for each in above],
            "CPUAccounting": True,
            "MemoryAccounting": True,
            "TasksAccounting": True,
            **limits,
        },
    )
