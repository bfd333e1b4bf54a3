"""A restart shows what was written; a file that is no store is refused, never overwritten."""

from __future__ import annotations

import os
from pathlib import Path

import lmdb
import pytest

from kube_actors.api.errors import ConfigError
from kube_actors.store.engine import Engine
from kube_actors.store.errors import NoSpace, StoreError
from kube_actors.store.records import seal


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    await engine.start()
    engine.write(b"a", b"1", None, 0)
    revision = engine.write(b"a", b"2", None, 0)
    engine.write(b"b", b"1", None, 0)
    engine.write(b"b", None, None, 0)
    lease = engine.grant(0, 100)
    engine.put(b"leased", b"1", lease.id)
    await engine.settled()
    engine.compact(3)
    await engine.stop()
    again = Engine(tmp_path)
    await again.start()
    assert (again.durable, again.compacted, again.cluster_id) == (engine.durable, 3, engine.cluster_id)
    found = again.index.live(b"a")
    assert found is not None
    kv = again.kv(found[0])
    assert kv is not None
    assert (kv.value, kv.mod_revision, kv.create_revision, kv.version) == (b"2", revision, 2, 2)
    assert again.index.live(b"b") is None
    assert again.leases.get(lease.id).keys == {b"leased"}
    await again.stop()


async def test_a_second_store_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    await engine.start()
    with pytest.raises(ConfigError, match="in use by another store"):
        await Engine(tmp_path).start()
    await engine.stop()


async def filled(folder: Path) -> Path:
    engine = Engine(folder)
    await engine.start()
    for number in range(500):
        engine.write(b"key/%d" % number, os.urandom(1000), None, 0)
    await engine.stop()
    return folder / "store.lmdb"


async def test_a_truncated_file_is_named_and_not_changed(tmp_path: Path) -> None:
    file = await filled(tmp_path)
    os.truncate(file, file.stat().st_size // 2)
    before = file.read_bytes()
    with pytest.raises(ConfigError, match=r"store\.lmdb is damaged"):
        await Engine(tmp_path).start()
    assert file.read_bytes() == before


async def test_a_flipped_byte_in_a_value_is_found(tmp_path: Path) -> None:
    file = await filled(tmp_path)
    data = bytearray(file.read_bytes())
    at = data.rindex(b"key/250") + 500
    data[at] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(ConfigError, match="does not match its checksum"):
        await Engine(tmp_path).start()


async def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.lmdb").write_bytes(b"something else entirely" * 1000)
    with pytest.raises(ConfigError, match="damaged or no store"):
        await Engine(tmp_path).start()


async def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    file = await filled(tmp_path)
    env = lmdb.open(str(file), subdir=False, max_dbs=8)
    with env.begin(write=True, db=env.open_db(b"meta")) as txn:
        txn.put(b"format", seal(b"format", b"99"))
    env.close()
    with pytest.raises(ConfigError, match="has format 99, this program reads 2"):
        await Engine(tmp_path).start()


async def test_a_full_store_refuses_puts_and_lets_deletes_through(tmp_path: Path) -> None:
    engine = Engine(tmp_path, quota=1 << 20)
    await engine.start()

    async def fill() -> None:
        for number in range(10_000):
            engine.write(b"key/%d" % number, b"x" * 1000, None, 0)
            await engine.settled()

    with pytest.raises(NoSpace):
        await fill()
    assert engine.out_of_space
    assert engine.write(b"key/0", None, None, 0) == engine.revision
    await engine.settled()
    engine.compact(engine.durable)
    gone = [i for k in engine.index.compactable() for i in engine.index.compact(k, engine.compacted)]
    await engine.forget(gone)
    await engine.stop()
    again = Engine(tmp_path, quota=1 << 20)
    await again.start()
    assert again.out_of_space
    await again.stop()


async def test_a_failing_disk_takes_nothing_back_that_was_said_and_says_nothing_false(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(tmp_path)
    await engine.start()
    engine.write(b"a", b"1", None, 0)
    await engine.settled()

    def fail(group: object) -> None:
        raise OSError("Input/output error")

    monkeypatch.setattr(engine.backend, "write", fail)
    engine.write(b"a", b"2", None, 0)
    engine.write(b"b", b"1", None, 0)
    with pytest.raises(StoreError, match="Input/output error"):
        await engine.settled()
    head = engine.index.live(b"a")
    assert head is not None
    assert head[2] == 1
    assert engine.index.live(b"b") is None
    assert engine.revision == engine.durable == 2
    with pytest.raises(StoreError, match="Input/output error"):
        engine.write(b"c", b"1", None, 0)
    await engine.stop()


async def test_the_map_grows_and_defragmentation_shrinks_the_file(tmp_path: Path) -> None:
    engine = Engine(tmp_path)
    await engine.start()
    value = os.urandom(1 << 20)
    for number in range(100):
        engine.write(b"big/%d" % (number % 2), value, None, 0)
        await engine.settled()
    assert engine.backend.size() > 100 << 20
    engine.compact(engine.durable)
    gone = [i for k in engine.index.compactable() for i in engine.index.compact(k, engine.compacted)]
    await engine.forget(gone)
    await engine.defragment()
    assert engine.backend.size() < 10 << 20
    engine.write(b"after", b"1", None, 0)
    await engine.settled()
    await engine.stop()
    again = Engine(tmp_path)
    await again.start()
    assert again.index.live(b"after") is not None
    await again.stop()
