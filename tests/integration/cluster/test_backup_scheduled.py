"""Backups by the clock, with a clock that the test sets."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kube_actors.cluster.backups import BackupStatus, ScheduledBackups, read_status
from kube_actors.cluster.plan import BackupPlan
from kube_actors.rpc.server import Listener
from kube_actors.store.backup.files import PARTIAL
from kube_actors.store.backup.reader import check
from kube_actors.store.backup.wire import StoreWire
from kube_actors.store.client import StoreClient
from kube_actors.store.server import StoreConfig, StoreServer

HOUR = 3600.0


class SetClock:
    """Sleeps end when the test says so; how long each was asked to be is kept."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0
        self.sleeps: list[float] = []
        self._go = asyncio.Event()

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        await self._go.wait()
        self._go.clear()
        self.time += seconds

    def go(self) -> None:
        self._go.set()


@asynccontextmanager
async def scheduled(
    folder: Path, root: Path, address: str, clock: SetClock, keep: int = 3
) -> AsyncIterator[ScheduledBackups]:
    plan = BackupPlan(HOUR, keep, str(folder))
    backups = ScheduledBackups(plan, "one", root / "status", lambda: StoreWire([address], patience=0.0), clock)
    await backups.start()
    try:
        yield backups
    finally:
        await backups.stop()


@asynccontextmanager
async def store(root: Path) -> AsyncIterator[tuple[StoreServer, StoreClient]]:
    server = StoreServer(StoreConfig((Listener("127.0.0.1:0"),), root / "store"))
    await server.start()
    client = StoreClient(server.addresses)
    await client.start()
    yield server, client
    await client.stop()
    await server.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)


async def test_each_interval_makes_one_and_removes_the_oldest(tmp_path: Path) -> None:
    folder, clock = tmp_path / "made" / "here", SetClock()
    async with store(tmp_path) as (server, client):
        async with scheduled(folder, tmp_path, server.addresses[0], clock) as backups:
            for number in range(1, 6):
                await until(lambda wanted=number: len(clock.sleeps) == wanted)  # type: ignore[misc]
                await client.put(b"key%d" % number, b"")
                if number > 1:
                    (folder / "mine").touch()
                clock.go()
            await until(lambda: len(clock.sleeps) == 6)
            assert clock.sleeps == [60.0, *[HOUR] * 5]
            assert backups.status.made == 5
        kept = sorted(path for path in folder.iterdir() if path.name != "mine")
        assert [check(path).counts.keys for path in kept] == [3, 4, 5]
        assert [path.name.startswith("one-2023") for path in kept] == [True] * 3
        assert (folder / "mine").exists()
        assert read_status(tmp_path / "status").made == 5
        # After a restart the next one is due when it would have been.
        clock.time += 600
        async with scheduled(folder, tmp_path, server.addresses[0], clock) as backups:
            await until(lambda: len(clock.sleeps) == 7)
            assert (clock.sleeps[-1], backups.status.made) == (HOUR - 600, 5)


async def test_a_failure_is_counted_and_tried_again_sooner(tmp_path: Path) -> None:
    folder, clock = tmp_path / "folder", SetClock()
    folder.write_text("in the way")
    async with store(tmp_path) as (server, client), scheduled(folder, tmp_path, server.addresses[0], clock) as backups:
        for number in range(1, 4):
            await until(lambda wanted=number: len(clock.sleeps) == wanted)  # type: ignore[misc]
            clock.go()
        await until(lambda: len(clock.sleeps) == 4)
        assert (backups.status.failed, backups.status.failing, backups.status.made) == (3, 3, 0)
        assert "File exists" in backups.status.last_error
        assert all(pause < HOUR for pause in clock.sleeps)
        assert read_status(tmp_path / "status") == backups.status
        await client.put(b"the store", b"goes on")
        folder.unlink()
        clock.go()
        await until(lambda: len(clock.sleeps) == 5)
        assert (backups.status.failed, backups.status.failing, backups.status.made) == (3, 0, 1)
        assert clock.sleeps[-1] == HOUR


async def test_a_store_that_is_away_is_a_failure_like_others(tmp_path: Path) -> None:
    clock = SetClock()
    async with scheduled(tmp_path / "folder", tmp_path, "127.0.0.1:1", clock) as backups:
        await until(lambda: len(clock.sleeps) == 1)
        clock.go()
        await until(lambda: len(clock.sleeps) == 2)
        assert backups.status.failing == 1
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "tiny"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_a_full_disk_is_no_concern_of_the_stores(tmp_path: Path, tiny: Path) -> None:
    clock, folder = SetClock(), tiny
    async with store(tmp_path) as (server, client), scheduled(folder, tmp_path, server.addresses[0], clock) as backups:
        for number in range(3):
            await client.put(b"%d" % number, os.urandom(1 << 20))
        await until(lambda: len(clock.sleeps) == 1)
        clock.go()
        await until(lambda: len(clock.sleeps) == 2)
        assert "No space left on device" in backups.status.last_error
        assert list(folder.iterdir()) == []
        await client.put(b"after", b"it")


async def test_stopping_gives_up_what_is_under_way(tmp_path: Path) -> None:
    clock, folder = SetClock(), tmp_path / "folder"
    status = BackupStatus()
    async with store(tmp_path) as (server, _):
        async with scheduled(folder, tmp_path, server.addresses[0], clock) as backups:
            await until(lambda: len(clock.sleeps) == 1)
            clock.go()
            await asyncio.sleep(0.001)
        assert backups.status.failed == status.failed
        async with scheduled(folder, tmp_path, server.addresses[0], clock) as backups:
            await until(lambda: len(clock.sleeps) >= 2)
            clock.go()
            await until(lambda: backups.status.made == 1)
    assert not list(folder.glob(f".*{PARTIAL}"))
