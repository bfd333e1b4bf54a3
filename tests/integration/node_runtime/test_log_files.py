"""Log files: what the supervisor writes is what a reader reads, over rotations."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kube_actors.aio.clock import SystemClock, parse_rfc3339
from kube_actors.node.runtime.interface import LogOptions
from kube_actors.node.runtime.process.logs import FOLLOW_SECONDS, read_logs
from kube_actors.node.runtime.process.shim.logfile import MAX_LINE, LogFile

NOW = 1767323045_000000000


def files(path: Path) -> list[Path]:
    """The rotated files and the present one, oldest first."""
    return sorted(path.parent.iterdir(), key=lambda file: -int(file.suffix[1:] or 0))


async def read(path: Path, options: LogOptions, ended: bool = True) -> bytes:
    return b"".join([chunk async for chunk in read_logs(path, options, lambda: ended, SystemClock())])


async def test_rotated_files_are_read_in_order_and_the_oldest_go(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(str(path), max_bytes=1000, max_files=3)
    for number in range(100):
        log.write(b"stdout", b"%d\n" % number, NOW)
    log.close(NOW)
    assert len(files(path)) == 3
    lines = [int(line) for line in (await read(path, LogOptions())).splitlines()]
    assert lines == list(range(lines[0], 100))
    assert 0 < lines[0] < 100
    assert (await read(path, LogOptions(tail=40))).splitlines()[0] == b"60"


def test_no_file_is_larger_however_much_comes_at_once(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "log"), max_bytes=1000, max_files=3)
    log.write(b"stdout", b"".join(b"%d\n" % number for number in range(100)), NOW)
    log.close(NOW)
    sizes = [file.stat().st_size for file in files(tmp_path / "log")]
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


@pytest.mark.parametrize("at_once", [3, 45], ids=["rotation-by-rotation", "many-rotations-behind"])
async def test_a_follower_loses_and_doubles_no_line_over_rotations(tmp_path: Path, at_once: int) -> None:
    path = tmp_path / "log"
    log = LogFile(str(path), max_bytes=200, max_files=30)
    over = False
    found = []

    async def follow() -> None:
        async for chunk in read_logs(path, LogOptions(follow=True), lambda: over, SystemClock()):
            found.append(chunk)

    async def write() -> None:
        nonlocal over
        for number in range(180):
            log.write(b"stdout", b"%d\n" % number, NOW)
            if number % at_once == 0:
                await asyncio.sleep(FOLLOW_SECONDS / 10 if at_once == 3 else 1.2 * FOLLOW_SECONDS)
        over = True

    await asyncio.gather(follow(), write())
    log.close(NOW)
    assert [int(line) for line in b"".join(found).split()] == list(range(180))


async def test_what_rotates_while_it_is_read_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(str(path), max_bytes=200, max_files=4)
    for number in range(20):
        log.write(b"stdout", b"%d\n" % number, NOW)
    reader = read_logs(path, LogOptions(), lambda: False, SystemClock())
    begin = await anext(reader)
    for number in range(20, 40):
        log.write(b"stdout", b"%d\n" % number, NOW)
    log.close(NOW)
    lines = [int(line) for line in (begin + b"".join([chunk async for chunk in reader])).split()]
    assert lines == list(range(lines[0], lines[0] + len(lines)))
    assert lines[-1] >= 19


@pytest.mark.parametrize("follow", [False, True], ids=["once", "follow"])
async def test_the_last_lines_stand_in_several_files(tmp_path: Path, follow: bool) -> None:
    path = tmp_path / "log"
    log = LogFile(str(path), max_bytes=2 * MAX_LINE, max_files=5)
    long = b"x" * (3 * MAX_LINE)
    log.write(b"stdout", b"first\nsecond\n" + long + b"\nlast\nbegun", NOW)
    log.close(NOW)
    assert len(files(path)) > 2
    for count, lines in ((0, [b""]), (1, [b"begun"]), (3, [long, b"last", b"begun"]), (9, [b"first", b"second", long])):
        shown = (await read(path, LogOptions(tail=count, follow=follow))).split(b"\n")
        assert shown[: len(lines)] == lines


async def test_lines_since_a_time_and_a_limit_hold_over_files(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(str(path), max_bytes=200, max_files=9)
    for number in range(20):
        log.write(b"stdout", b"%d\n" % number, NOW + number * 10**9)
    log.close(NOW)
    since = parse_rfc3339("2026-01-02T03:04:17Z")
    assert (await read(path, LogOptions(since=since))).split() == [b"%d" % number for number in range(12, 20)]
    assert await read(path, LogOptions(since=since, tail=9, limit_bytes=8)) == b"12\n13\n14"


def test_a_log_goes_on_where_no_further_file_can_be_had(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = LogFile(str(path), max_bytes=200, max_files=3)
    (tmp_path / "log.next").mkdir()
    for number in range(20):
        log.write(b"stdout", b"%d\n" % number, NOW)
    assert len(path.read_bytes().splitlines()) == 20
    (tmp_path / "log.next").rmdir()
    log.write(b"stdout", b"20\n", NOW)
    log.close(NOW)
    assert [len(file.read_bytes().splitlines()) for file in files(path)] == [20, 1]


async def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert await read(tmp_path / "none", LogOptions(follow=True)) == b""
