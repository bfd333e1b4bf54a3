"""From a store that runs into a file and from there into another store: ours, and a real etcd."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kube_actors.rpc.server import Listener
from kube_actors.store.backup import export as export_module
from kube_actors.store.backup.build import BUMP, build
from kube_actors.store.backup.export import Choices, export
from kube_actors.store.backup.files import PARTIAL
from kube_actors.store.backup.format import BackupError, KeptFile, LeaseGrant
from kube_actors.store.backup.load import load
from kube_actors.store.backup.reader import Contents, check
from kube_actors.store.backup.wire import Page, StoreWire
from kube_actors.store.client import StoreClient
from kube_actors.store.engine import Engine
from kube_actors.store.errors import KV, Compacted, LeaseNotFound
from kube_actors.store.server import StoreConfig, StoreServer


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[str, StoreClient]]:
    """A store of ours on a folder, and a client of it."""
    server = StoreServer(StoreConfig((Listener("127.0.0.1:0"),), folder))
    await server.start()
    client = StoreClient(server.addresses)
    await client.start()
    try:
        yield server.addresses[0], client
    finally:
        await client.stop()
        await server.stop()


async def backed_up(address: str, target: Path, **choices: object) -> Contents:
    async with StoreWire([address]) as wire:
        made = await export(wire, target, Choices(**choices))  # type: ignore[arg-type]
    contents = check(target)
    assert (made.revision, made.counts, made.size) == (contents.header.revision, contents.counts, contents.size)
    return contents


async def all_of(client: StoreClient) -> list[KV]:
    return (await client.range(b"")).kvs


def order(kvs: list[KV]) -> list[bytes]:
    """Keys, the oldest write first."""
    return [kv.key for kv in sorted(kvs, key=lambda kv: (kv.mod_revision, kv.key))]


async def fill(client: StoreClient) -> int:
    """Keys with a history, deleted ones, a leased one; the lease."""
    lease = await client.grant_lease(1234)
    for number in range(40):
        await client.put(b"/registry/pods/%03d" % (number * 7 % 40), b"value %d" % number * number)
    for number in range(0, 40, 3):
        await client.put(b"/registry/pods/%03d" % number, b"newer")
    await client.delete(b"/registry/pods/001")
    await client.put(b"/registry/events/a", b"event", lease=lease)
    await client.put(b"\xff\xff", b"\0" * 70_000)
    return lease


async def ttl_of(address: str, lease: int) -> int:
    async with StoreWire([address]) as wire:
        return (await wire.granted([lease]))[0].ttl


async def test_any_store_comes_back_in_a_new_store_of_ours(client: StoreClient, address: str, tmp_path: Path) -> None:
    lease = await fill(client)
    before = await all_of(client)
    contents = await backed_up(address, tmp_path / "a.backup", cluster="one")
    assert contents.leases == (LeaseGrant(lease, 1234),)
    built = build(tmp_path / "a.backup", contents, tmp_path / "new")
    async with running(tmp_path / "new") as (new_address, restored):
        after = await all_of(restored)
        # All revisions are greater by one number; everything else is as it was.
        shift = after[0].mod_revision - before[0].mod_revision
        assert after == [
            KV(kv.key, kv.value, kv.mod_revision + shift, kv.create_revision + shift, kv.version, kv.lease)
            for kv in before
        ]
        assert shift >= BUMP
        assert await restored.revision() == built.revision > max(kv.mod_revision for kv in after)
        assert await ttl_of(new_address, lease) == 1234
        await restored.revoke_lease(lease)
        assert await restored.get(b"/registry/events/a") == (None, built.revision + 1)
        # The first write is conditional on what the restore gave.
        kv = after[-1]
        assert await restored.put(kv.key, b"x", expected_revision=kv.mod_revision) == built.revision + 2


async def test_any_store_comes_back_in_a_store_that_runs(client: StoreClient, address: str, tmp_path: Path) -> None:
    """From ours into `client`, which is ours or a real etcd."""
    async with running(tmp_path / "source") as (source, filled):
        lease = await fill(filled)
        before = await all_of(filled)
        contents = await backed_up(source, tmp_path / "a.backup", compression="none")
    await client.put(b"/other", b"in the way")
    other = await client.grant_lease(600)
    async with StoreWire([address]) as wire:
        with pytest.raises(BackupError, match="the store holds 1 keys already; --force deletes them first"):
            await load(tmp_path / "a.backup", contents, wire)
        assert (await client.get(b"/other"))[0] is not None
        revision = await load(tmp_path / "a.backup", contents, wire, force=True, bump=300)
    after = await all_of(client)
    assert [(kv.key, kv.value, kv.lease) for kv in after] == [(kv.key, kv.value, kv.lease) for kv in before]
    assert min(kv.mod_revision for kv in after) > contents.header.revision + 300
    newest = {kv.key: kv.mod_revision for kv in after}
    assert [newest[key] for key in order(before)] == sorted(newest.values())
    assert await client.revision() == revision
    assert await ttl_of(address, lease) == 1234
    with pytest.raises(LeaseNotFound):
        await client.keep_alive(other)
    with pytest.raises(Compacted):
        await client.get(b"/other", revision=revision - 1)
    await client.revoke_lease(lease)


async def test_from_etcd_over_ours_back_into_etcd_nothing_is_lost(etcd: str, tmp_path: Path) -> None:
    client = StoreClient([etcd])
    await client.start()
    async with StoreWire([etcd]) as wire:
        await wire.delete(b"\0")
        lease = await fill(client)
        before = await all_of(client)
        first = await backed_up(etcd, tmp_path / "first")
        build(tmp_path / "first", first, tmp_path / "ours", bump=1000)
        async with running(tmp_path / "ours") as (ours, _):
            second = await backed_up(ours, tmp_path / "second")
        await load(tmp_path / "second", second, wire, force=True, bump=0)
        after = await all_of(client)
        assert [(kv.key, kv.value, kv.lease) for kv in after] == [(kv.key, kv.value, kv.lease) for kv in before]
        assert min(kv.mod_revision for kv in after) > max(kv.mod_revision for kv in before)
        await client.revoke_lease(lease)
    await client.stop()


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.binary(min_size=1, max_size=3), st.binary(max_size=200)),
        st.tuples(st.just("delete"), st.binary(min_size=1, max_size=3), st.just(b"")),
        st.tuples(st.just("together"), st.binary(min_size=1, max_size=3), st.binary(max_size=20)),
    ),
    max_size=40,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(OPERATIONS, st.sampled_from(["zlib", "none"]))
def test_arbitrary_stores_come_back(operations: list[tuple[str, bytes, bytes]], compression: str) -> None:
    async def roundtrip(folder: Path) -> None:
        async with running(folder / "old") as (address, client), StoreWire([address]) as wire:
            for what, key, value in operations:
                if what == "put":
                    await client.put(key, value)
                elif what == "delete":
                    await client.delete(key)
                else:
                    # Keys of one revision.
                    await wire.put([KV(key + b"%d" % n, value, 0, 0, 0, 0) for n in range(3)])
            before, revision = await all_of(client), await client.revision()
            contents = await backed_up(address, folder / "a", compression=compression)
        built = build(folder / "a", contents, folder / "new", bump=7)
        assert built.revision > revision + 7
        for _ in range(2):  # the second time after a restart
            async with running(folder / "new") as (_, client):
                after = await all_of(client)
                shift = after[0].mod_revision - before[0].mod_revision if after else 0
                assert [(kv.key, kv.value, kv.version, kv.mod_revision - shift) for kv in after] == [
                    (kv.key, kv.value, kv.version, kv.mod_revision) for kv in before
                ]
                assert await client.revision() == built.revision

    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        runner.run(roundtrip(Path(folder)))


async def test_who_watched_before_the_restore_is_told_to_list_again(tmp_path: Path) -> None:
    async with running(tmp_path / "old") as (address, client):
        await fill(client)
        contents = await backed_up(address, tmp_path / "a")
        for number in range(20):  # lost by the restore, but seen by watchers
            await client.put(b"/registry/pods/lost", b"%d" % number)
        seen = await client.revision()
    built = build(tmp_path / "a", contents, tmp_path / "old", force=True)
    assert built.revision > seen
    async with running(tmp_path / "old") as (_, client):
        watch = client.watch(b"/registry/", seen + 1)
        with pytest.raises(Compacted):
            await anext(aiter(watch))
        await watch.aclose()
        with pytest.raises(Compacted):
            await client.get(b"/registry/pods/000", revision=seen)
        watch = client.watch(b"/registry/", built.revision + 1)
        revision = await client.put(b"/registry/pods/new", b"")
        async for batch in watch:
            if batch.events:
                assert (batch.events[0].kv.key, batch.revision) == (b"/registry/pods/new", revision)
                break
        await watch.aclose()


async def test_restores_one_after_the_other_only_raise_the_revision(tmp_path: Path) -> None:
    async with running(tmp_path / "store") as (address, client):
        await fill(client)
        contents = await backed_up(address, tmp_path / "a")
    revisions = [build(tmp_path / "a", contents, tmp_path / "store", force=True).revision for _ in range(3)]
    assert revisions == sorted(set(revisions))


async def test_a_store_without_keys_comes_back_empty_and_ahead(tmp_path: Path) -> None:
    async with running(tmp_path / "old") as (address, client):
        await client.put(b"a", b"")
        await client.delete(b"a")
        contents = await backed_up(address, tmp_path / "a")
    built = build(tmp_path / "a", contents, tmp_path / "new")
    async with running(tmp_path / "new") as (_, client):
        assert await all_of(client) == []
        assert await client.revision() == built.revision > BUMP
        with pytest.raises(Compacted):
            await client.compact(built.revision)
        assert await client.put(b"b", b"") == built.revision + 1
        await client.compact(built.revision + 1)
    async with running(tmp_path / "new") as (_, client):
        assert await client.revision() == built.revision + 1


# --- what goes wrong ---------------------------------------------------------------------------------------------


class CompactedWire(StoreWire):
    """A store that compacts the revision away under the reader, some times."""

    times = 0

    async def page(self, start: bytes, limit: int, revision: int) -> Page:
        if revision and self.times:
            self.times -= 1
            raise Compacted
        return await super().page(start, limit, revision)


@pytest.mark.parametrize(("times", "fails"), [(1, False), (2, False), (3, True)])
async def test_a_backup_whose_revision_is_compacted_away_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, fails: bool
) -> None:
    monkeypatch.setattr(export_module, "FIRST_PAGE", 5)
    async with running(tmp_path / "store") as (address, client):
        await fill(client)
        wire = CompactedWire([address])
        wire.times = times
        async with wire:
            if fails:
                with pytest.raises(BackupError, match="compacted the revision of the backup away 3 times"):
                    await export(wire, tmp_path / "a", Choices())
                assert not list(tmp_path.glob("*.a*")) + list(tmp_path.glob("a"))
                return
            await export(wire, tmp_path / "a", Choices())
        assert check(tmp_path / "a").counts.keys == len(await all_of(client))


async def test_a_backup_is_of_one_revision_while_others_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer moves a token around: in every state of the store exactly one key has it."""
    monkeypatch.setattr(export_module, "FIRST_PAGE", 3)
    monkeypatch.setattr(export_module, "LARGEST_PAGE", 3)
    async with running(tmp_path / "store") as (address, client), StoreWire([address]) as wire:
        await wire.put([KV(b"k%02d" % n, b"token" if n == 0 else b"", 0, 0, 0, 0) for n in range(60)])

        async def move() -> None:
            at = 0
            while True:
                there = (at * 31 + 17) % 60
                await wire.put([KV(b"k%02d" % at, b"", 0, 0, 0, 0), KV(b"k%02d" % there, b"token", 0, 0, 0, 0)])
                at = there

        mover = asyncio.get_running_loop().create_task(move())
        try:
            for number in range(5):
                contents = await backed_up(address, tmp_path / f"{number}")
                assert contents.counts.keys == 60
        finally:
            mover.cancel()
    for number in range(5):
        contents = check(tmp_path / f"{number}")
        build(tmp_path / f"{number}", contents, tmp_path / f"new{number}")
        async with running(tmp_path / f"new{number}") as (_, client):
            values = [kv.value for kv in await all_of(client)]
            assert values.count(b"token") == 1


async def test_pages_of_large_values_shrink_until_they_fit_a_message(tmp_path: Path) -> None:
    async with running(tmp_path / "store") as (address, client):
        for number in range(FILL := 80):
            await client.put(b"large%03d" % number, os.urandom(1 << 20))
        contents = await backed_up(address, tmp_path / "a", compression="none")
    assert contents.counts.keys == FILL
    assert contents.key_bytes > FILL << 20


async def test_a_store_in_use_and_a_store_that_is_there_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "store") as (address, client):
        await fill(client)
        before = await all_of(client)
        contents = await backed_up(address, tmp_path / "a")
        for force in (False, True):
            with pytest.raises(BackupError, match="is in use by a store that runs; stop it first"):
                build(tmp_path / "a", contents, tmp_path / "store", force=force)
    with pytest.raises(BackupError, match=r"holds a store already \(revision \d+\); --force replaces it"):
        build(tmp_path / "a", contents, tmp_path / "store")
    async with running(tmp_path / "store") as (_, client):
        assert await all_of(client) == before


async def test_the_replaced_store_is_kept_and_can_be_used_again(tmp_path: Path) -> None:
    async with running(tmp_path / "store") as (address, client):
        await client.put(b"a", b"in the backup")
        contents = await backed_up(address, tmp_path / "a")
        await client.put(b"b", b"after it")
    built = build(tmp_path / "a", contents, tmp_path / "store", force=True)
    assert built.replaced is not None
    async with running(tmp_path / "store") as (_, client):
        assert [kv.key for kv in await all_of(client)] == [b"a"]
    (tmp_path / "kept").mkdir()
    built.replaced.rename(tmp_path / "kept" / "store.lmdb")
    async with running(tmp_path / "kept") as (_, client):
        assert [kv.key for kv in await all_of(client)] == [b"a", b"b"]


async def test_a_damaged_store_is_replaced_with_force(tmp_path: Path) -> None:
    async with running(tmp_path / "good") as (address, client):
        await fill(client)
        contents = await backed_up(address, tmp_path / "a")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "store.lmdb").write_bytes(b"rubbish" * 1000)
    build(tmp_path / "a", contents, tmp_path / "bad", force=True)
    async with running(tmp_path / "bad") as (_, client):
        assert len(await all_of(client)) == contents.counts.keys


RESTORE = """
import sys
from pathlib import Path
from kube_actors.store.backup import build
from kube_actors.store.backup.reader import check
path, folder, step = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
import os, signal
original = getattr(build, step)
def killed(*arguments):
    result = original(*arguments) if step == "_write" else None
    os.kill(os.getpid(), signal.SIGKILL)
setattr(build, step, killed)
build.build(path, check(path), folder, force=True)
"""


@pytest.mark.parametrize("step", ["_write", "_exchange", "sync_folder"])
async def test_a_killed_restore_leaves_the_old_store_as_it_was(tmp_path: Path, step: str) -> None:
    async with running(tmp_path / "store") as (address, client):
        await client.put(b"a", b"1")
        contents = await backed_up(address, tmp_path / "a")
        await client.put(b"b", b"2")
    command = [sys.executable, "-c", RESTORE, str(tmp_path / "a"), str(tmp_path / "store"), step]
    assert subprocess.run(command, check=False).returncode == -9
    async with running(tmp_path / "store") as (_, client):
        assert [kv.key for kv in await all_of(client)] == [b"a", b"b"]
    build(tmp_path / "a", contents, tmp_path / "store", force=True)
    assert not list((tmp_path / "store").glob(f"*{PARTIAL}"))
    async with running(tmp_path / "store") as (_, client):
        assert [kv.key for kv in await all_of(client)] == [b"a"]


async def test_a_full_disk_keeps_the_old_store(tmp_path: Path, tiny: Callable[[int], Path]) -> None:
    disk = tiny(4)
    async with running(disk / "store") as (_, client):
        await client.put(b"old", b"value")
    async with running(tmp_path / "large") as (address, client):
        for number in range(4):
            await client.put(b"%d" % number, os.urandom(1 << 20))
        contents = await backed_up(address, tmp_path / "a")
        with pytest.raises(BackupError, match=r"cannot write .*: No space left on device"):
            await backed_up(address, disk / "b")
    for folder in (disk / "store", disk / "new"):
        with pytest.raises(BackupError, match="No space left on device"):
            build(tmp_path / "a", contents, folder, force=True)
    assert not (disk / "new").exists()
    assert sorted(path.name for path in disk.rglob("*") if not path.name.endswith("lock")) == ["store", "store.lmdb"]
    async with running(disk / "store") as (_, client):
        assert [kv.key for kv in await all_of(client)] == [b"old"]


async def test_files_travel_with_the_store(tmp_path: Path) -> None:
    files = (KeptFile("token", b"secret"), KeptFile("pki/ca.crt", b"certificate"))
    async with running(tmp_path / "store") as (address, _):
        assert (await backed_up(address, tmp_path / "a", files=files)).files == files


# --- size --------------------------------------------------------------------------------------------------------

MEASURED = """
import asyncio, re, sys, threading, time
from pathlib import Path
from kube_actors.store.backup.build import build
from kube_actors.store.backup.export import Choices, export
from kube_actors.store.backup.reader import check
from kube_actors.store.backup.wire import StoreWire
import kube_actors.store.backup.load

peak = 0
def look():
    global peak
    while True:
        peak = max(peak, int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read()).group(1)))
        time.sleep(0.02)

async def main():
    async with StoreWire([sys.argv[1]]) as wire:
        await export(wire, Path(sys.argv[2]), Choices())

threading.Thread(target=look, daemon=True).start()
time.sleep(0.1)
start = peak
asyncio.run(main())
path = Path(sys.argv[2])
build(path, check(path), Path(sys.argv[3]))
print(start, peak)
"""


async def test_a_hundred_thousand_keys_need_little_memory(tmp_path: Path) -> None:
    """100 MB go through a process that grows by much less."""
    keys = 100_000
    async with running(tmp_path / "store") as (address, _):
        blob = os.urandom(1 << 20)
        async with StoreWire([address]) as wire:
            for start in range(0, keys, 5000):
                kvs = [KV(b"/registry/%08d" % n, blob[n : n + 1000], 0, 0, 0, 0) for n in range(start, start + 5000)]
                await asyncio.gather(*(wire.put(kvs[at : at + 100]) for at in range(0, 5000, 100)))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MEASURED, address, tmp_path / "a", tmp_path / "new", stdout=subprocess.PIPE
        )
        output, _ = await process.communicate()
    before, peak = map(int, output.split())
    assert check(tmp_path / "a").counts.keys == keys
    assert peak - before < 60_000, f"{before} kB before, {peak} kB at most"
    engine = Engine(tmp_path / "new")
    await engine.start()
    assert len(engine.index.heads) == keys + 1
    await engine.stop()
