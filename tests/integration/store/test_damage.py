"""Disks that fill up, fail or forget: what was acknowledged is kept, what is damaged is named."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kube_actors.api.errors import ConfigError
from kube_actors.store.backend import Backend
from kube_actors.store.engine import Engine
from kube_actors.store.errors import NoSpace, StoreError, StoreUnavailable
from kube_actors.store.group import Group

FLIPS = int(os.environ.get("STORE_FLIPS", "150"))


@contextmanager
def tiny_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of a few megabytes, of its own, gone afterwards."""
    target = folder / "disk"
    target.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "store-test", str(target)], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", "-l", str(target)], check=True)


async def contents(engine: Engine) -> dict[str, Any]:
    """All that a store knows."""
    return {
        "records": engine.scan(0, 100_000),
        "heads": dict(engine.index.heads),
        "leases": engine.backend.leases(),
        "state": (engine.revision, engine.compacted, engine.cluster_id, engine.member_id, engine.out_of_space),
    }


async def reopened(folder: Path) -> dict[str, Any]:
    engine = Engine(folder)
    await engine.start()
    try:
        return await contents(engine)
    finally:
        await engine.stop()


async def opened(folder: Path) -> dict[str, Any] | ConfigError:
    try:
        return await reopened(folder)
    except ConfigError as error:
        return error


async def fill(engine: Engine, acknowledged: dict[bytes, bytes], count: int = 20_000) -> None:
    for number in range(count):
        key, value = b"key/%d" % number, os.urandom(2000)
        engine.write(key, value, None, 0)
        await engine.settled()
        acknowledged[key] = value


def found(engine: Engine) -> dict[bytes, bytes]:
    kvs = [engine.kv(head[0]) for key in engine.index.heads if (head := engine.index.live(key)) is not None]
    return {kv.key: kv.value for kv in kvs if kv is not None}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
async def test_a_full_disk_refuses_and_keeps_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with tiny_disk(tmp_path, "8m") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(2 << 20))
        engine = Engine(disk / "store")
        await engine.start()
        acknowledged: dict[bytes, bytes] = {}
        with pytest.raises(NoSpace):
            await fill(engine, acknowledged)
        assert len(acknowledged) > 500
        assert engine.out_of_space
        assert found(engine) == acknowledged
        with pytest.raises(NoSpace):
            engine.write(b"one more", b"1", None, 0)
        await engine.stop()
        # A restart on the full disk shows the same.
        engine = Engine(disk / "store")
        await engine.start()
        assert found(engine) == acknowledged
        # Room is made; the alarm is disarmed by hand, as etcd's; everything works.
        ballast.unlink()
        for key in list(acknowledged)[:100]:
            engine.write(key, None, None, 0)
            del acknowledged[key]
        engine.set_alarm(False)
        engine.write(b"again", b"1", None, 0)
        acknowledged[b"again"] = b"1"
        await engine.settled()
        await engine.stop()
        engine = Engine(disk / "store")
        await engine.start()
        assert found(engine) == acknowledged
        await engine.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("size", [100_000, 1_000_000])
async def test_a_write_that_half_fits_on_the_disk_is_a_full_disk(tmp_path: Path, size: int) -> None:
    """LMDB calls it an input/output error, after which a store would have to be restarted."""
    with tiny_disk(tmp_path, "4m") as disk:
        engine = Engine(disk / "store")
        await engine.start()
        written = 0

        async def more() -> None:
            nonlocal written
            while True:
                engine.write(b"key/%d" % written, os.urandom(size), None, 0)
                await engine.settled()
                written += 1

        with pytest.raises(NoSpace):
            await more()
        assert written > 0
        assert len(found(engine)) == written
        assert engine.write(b"key/0", None, None, 0) == engine.revision
        await engine.stop()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel refuses to write beyond: a real failure of a real write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_write_that_the_kernel_refuses_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    await engine.start()
    acknowledged: dict[bytes, bytes] = {}
    with largest_file(3 << 20), pytest.raises(StoreUnavailable, match="the store cannot write"):
        await fill(engine, acknowledged)
    assert len(acknowledged) > 500
    assert found(engine) == acknowledged
    with pytest.raises(StoreUnavailable):
        engine.write(b"later", b"1", None, 0)
    await engine.stop()
    engine = Engine(tmp_path)
    await engine.start()
    assert found(engine) == acknowledged
    engine.write(b"later", b"1", None, 0)
    await engine.settled()
    await engine.stop()


@pytest.mark.parametrize("seed", range(8))
async def test_a_commit_that_fails_in_the_middle_has_not_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """The transaction has written some of its records when it fails; those who waited are told."""
    chance = random.Random(seed)
    engine = Engine(tmp_path)
    await engine.start()
    commits, fatal = 0, chance.randrange(2, 40)
    write = Backend._write

    def failing(self: Backend, txn: Any, group: Group) -> None:
        nonlocal commits
        commits += 1
        write(self, txn, group)
        if commits == fatal:
            raise OSError("Input/output error")

    monkeypatch.setattr(Backend, "_write", failing)
    acknowledged: dict[bytes, bytes] = {}
    lease = engine.grant(0, 1000).id

    async def writer(name: int) -> None:
        for number in range(1000):
            key, value = b"%d/%d" % (name, number % 7), b"%d" % number
            engine.write(key, value, None, chance.choice((0, lease)))
            await engine.settled()
            acknowledged[key] = value
            await asyncio.sleep(0)

    results = await asyncio.gather(*(writer(name) for name in range(9)), return_exceptions=True)
    assert all(isinstance(result, StoreError) for result in results)
    assert found(engine) == acknowledged
    await engine.stop()
    monkeypatch.undo()
    engine = Engine(tmp_path)
    await engine.start()
    assert found(engine) == acknowledged
    leased = {key for key, head in engine.index.heads.items() if head[3]}
    held = engine.leases.find(lease)
    assert (held.keys if held else set()) == leased
    await engine.stop()


async def varied(folder: Path) -> Path:
    """A file with everything in it: small and large values, deletions, leases, free pages, several levels."""
    engine = Engine(folder)
    await engine.start()
    chance = random.Random(1)
    for number in range(400):
        engine.write(b"key/%d" % (number % 150), chance.randbytes(chance.choice((10, 300, 1500, 9000))), None, 0)
        if number % 7 == 0:
            engine.write(b"key/%d" % (number // 2), None, None, 0)
        if number % 20 == 0:
            await engine.settled()
    for number in range(5):
        engine.put(b"leased/%d" % number, b"1", engine.grant(number + 1, 1000).id)
    await engine.settled()
    engine.compact(engine.durable - 150)
    gone = [i for k in engine.index.compactable() for i in engine.index.compact(k, engine.compacted)]
    await engine.forget(gone)
    await engine.stop()
    return folder / "store.lmdb"


async def test_a_flipped_byte_is_named_or_was_of_no_use(tmp_path: Path) -> None:
    """Anywhere in the file: the start refuses it by name and leaves it alone, or everything is as it was."""
    file = await varied(tmp_path)
    healthy, expected = file.read_bytes(), await reopened(tmp_path)
    chance = random.Random(FLIPS)
    refused = 0
    for _ in range(FLIPS):
        # Pages' headers and entries are few bytes among values: half of the flips go there.
        at = chance.randrange(len(healthy))
        if chance.random() < 0.5:
            at = at // 4096 * 4096 + chance.randrange(160)
        data = bytearray(healthy)
        data[at] ^= chance.randrange(1, 256)
        file.write_bytes(data)
        outcome = await opened(tmp_path)
        if isinstance(outcome, ConfigError):
            assert str(file) in str(outcome)
            assert "was not changed" in str(outcome)
            assert file.read_bytes() == data
            refused += 1
        else:
            assert outcome == expected, f"byte {at} was flipped and nobody said so"
    assert refused > FLIPS // 3


async def test_a_file_cut_anywhere_is_named_or_lacks_nothing(tmp_path: Path) -> None:
    file = await varied(tmp_path)
    healthy, expected = file.read_bytes(), await reopened(tmp_path)
    chance = random.Random(2)
    for _ in range(30):
        file.write_bytes(healthy[: chance.randrange(1, len(healthy))])
        outcome = await opened(tmp_path)
        if isinstance(outcome, ConfigError):
            assert "store.lmdb is damaged" in str(outcome)
        else:
            assert outcome == expected
