"""Log files: what the supervisor writes is what a reader reads, over rotations."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kube_actors.aio.clock import SystemClock
from kube_actors.node.runtime.interface import LogOptions
from kube_actors.node.runtime.process.logs import log_files, read_logs
from kube_actors.node.runtime.process.shim.logfile import MAX_LINE, LogFile

NOW = 1767323045_000000000


async def read(path: Path, options: LogOptions, ended: bool = True) -> bytes:
    return b"".join([chunk async for chunk in read_logs(path, options, lambda: ended, SystemClock())])


async def test_rotated_files_are_read_in_order_and_the_oldest_go(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(str(path), max_bytes=1000, max_files=3)
    for number in range(100):
        log.write(b"stdout", b"%d\n" % number, NOW)
    log.close(NOW)
    assert len(log_files(path)) == 3
    lines = [int(line) for line in (await read(path, LogOptions())).splitlines()]
    assert lines == list(range(lines[0], 100))
    assert 0 < lines[0] < 100
    assert (await read(path, LogOptions(tail=40))).splitlines()[0] == b"60"


def test_no_file_is_larger_however_much_comes_at_once(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "log"), max_bytes=1000, max_files=3)
    log.write(b"stdout", b"".join(b"%d\n" % number for number in range(100)), NOW)
    log.close(NOW)
    sizes = [file.stat().st_size for file in log_files(tmp_path / "log")]
    assert len(sizes) == 3
    assert all(900 < size <= 1000 for size in sizes[:-1])


async def test_a_line_longer_than_a_record_comes_out_as_one(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(str(path), 10 << 20, 5)
    line = b"x" * (3 * MAX_LINE + 5)
    log.write(b"stdout", line[:100], NOW)
    log.write(b"stdout", line[100:] + b"\nnext\n", NOW)
    log.close(NOW)
    assert await read(path, LogOptions()) == line + b"\nnext\n"
    assert await read(path, LogOptions(tail=2)) == line + b"\nnext\n"


async def test_a_follower_goes_on_over_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(str(path), max_bytes=500, max_files=5)
    over = False
    found = []

    async def follow() -> None:
        async for chunk in read_logs(path, LogOptions(follow=True), lambda: over, SystemClock()):
            found.append(chunk)

    async def write() -> None:
        nonlocal over
        for number in range(60):
            log.write(b"stdout", b"%d\n" % number, NOW)
            if number % 10 == 0:
                await asyncio.sleep(0.12)
        over = True

    await asyncio.gather(follow(), write())
    log.close(NOW)
    assert [int(line) for line in b"".join(found).split()] == list(range(60))


async def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert await read(tmp_path / "none", LogOptions(follow=True)) == b""
