"""Backups from one engine into the other: our store, and members of a real etcd that replace their older selves."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kube_actors.cluster import loop, restoring, wiring
from kube_actors.cluster.config import StoreSection
from kube_actors.cluster.etcd import layout
from kube_actors.cluster.etcd.admin import Endpoints
from kube_actors.cluster.etcd.member import EtcdMember, Timing
from kube_actors.cluster.paths import ClusterPaths
from kube_actors.cluster.pki import Pki
from kube_actors.rpc.server import Listener
from kube_actors.rpc.tls import ClientTLS
from kube_actors.store.backup.build import BUMP
from kube_actors.store.backup.export import Choices, export
from kube_actors.store.backup.format import BackupError
from kube_actors.store.backup.reader import check
from kube_actors.store.backup.wire import StoreWire
from kube_actors.store.client import StoreClient
from kube_actors.store.errors import Compacted
from kube_actors.store.server import StoreConfig, StoreServer
from kube_actors_cli.main import run_parsed
from kube_actors_cli.parser import build

pytestmark = pytest.mark.skipif(shutil.which("etcd") is None, reason="no etcd on PATH (Debian: etcd-server)")

THREE = StoreSection(engine="etcd", port=0)
TIMING = Timing(look=0.05, probe=0.3, upkeep=0.3, stop=1.0)


@dataclass(frozen=True)
class Running:
    """A store that runs: a client of it, and the way to it."""

    client: StoreClient
    addresses: Sequence[str]
    tls: ClientTLS | None = None

    async def back_up(self, target: Path) -> None:
        async with StoreWire(self.addresses, self.tls) as wire:
            await export(wire, target, Choices("c"))


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Running]:
    server = StoreServer(StoreConfig((Listener("127.0.0.1:0"),), folder))
    await server.start()
    client = StoreClient(server.addresses)
    await client.start()
    try:
        yield Running(client, server.addresses)
    finally:
        await client.stop()
        await server.stop()


@asynccontextmanager
async def members(paths: ClusterPaths, count: int) -> AsyncIterator[Running]:
    """The first members as the cluster would start them, once they have a vote."""
    etcd = layout.existing(paths)
    assert etcd is not None
    etcd = replace(etcd, members=etcd.members[:count])
    pki = Pki.open(paths.pki)
    paths.make()
    configs = [wiring.member_config(etcd, paths, pki, member.name) for member in etcd.members]
    running = [EtcdMember(replace(config, timing=TIMING)) for config in configs]
    addresses = [member.address for member in etcd.members]
    client = StoreClient(addresses, configs[0].client_tls)
    await client.start()
    endpoints = Endpoints(configs[0].client_tls)
    try:
        await asyncio.gather(*(member.start() for member in running))
        deadline = time.monotonic() + 30
        while not (found := await endpoints.view(addresses)) or len(found[0].voters) < count:
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.1)
        yield Running(client, addresses, configs[0].client_tls)
    finally:
        await endpoints.close()
        await client.stop()
        await asyncio.gather(*(member.stop() for member in running))


async def write_embedded(folder: Path, backup: Path) -> None:
    async with embedded(folder) as store:
        for number in range(300):
            await store.client.put(b"/registry/%03d" % number, b"first")
        await store.back_up(backup)


async def change_members(paths: ClusterPaths, backup: Path, seen: list[int]) -> None:
    async with members(paths, 2) as store:
        client = store.client
        found = await client.range(b"/registry/")
        assert [kv.key for kv in found.kvs] == [b"/registry/%03d" % number for number in range(300)]
        assert {kv.value for kv in found.kvs} == {b"first"}
        # Who watched before the restore is told to list again, and no revision is seen twice.
        assert found.revision > check(backup).header.revision + BUMP
        watch = client.watch(b"/registry/", check(backup).header.revision)
        with pytest.raises(Compacted):
            await anext(watch)
        await watch.aclose()
        await client.put(b"/registry/later", b"second")
        seen.append(await client.revision())


async def look_at_members(paths: ClusterPaths, backup: Path) -> None:
    async with members(paths, 2) as store:
        assert (await store.client.get(b"/registry/later"))[0] is None
        await store.client.put(b"/registry/000", b"third")
        await store.back_up(backup)


async def look_at_embedded(paths: ClusterPaths) -> None:
    async with embedded(paths.store) as store:
        found = await store.client.range(b"/registry/")
        assert len(found.kvs) == 300
        assert found.kvs[0].value == b"third"


def test_a_backup_goes_from_engine_to_engine_and_no_member_brings_older_data_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths, first, second = ClusterPaths(tmp_path / "c"), tmp_path / "first", tmp_path / "second"
    loop.run(write_embedded(paths.store, first))
    seen: list[int] = []
    with pytest.raises(BackupError, match=r"store holds a store already; --force replaces it"):
        restoring.restore(first, check(first), paths, THREE)
    restored = restoring.restore(first, check(first), paths, THREE, force=True)
    assert restored.replaced == tmp_path / "c" / "store.replaced"
    loop.run(change_members(paths, first, seen))

    # The same backup again, as the kind of store that is there: a member elsewhere still has what came after it.
    with pytest.raises(BackupError, match=r"etcd holds a store already; --force replaces it"):
        restoring.restore(first, check(first), paths)
    second_member = [tmp_path / "c" / "etcd" / name for name in ("storemember-2", "storemember-2.member")]
    for path in second_member:
        path.rename(tmp_path / path.name)
    again = restoring.restore(first, check(first), paths, force=True, bump=2 * BUMP)
    assert again.revision > seen[0]
    assert again.replaced == tmp_path / "c" / "etcd.replaced"
    for path in second_member:
        (tmp_path / path.name).rename(path)
    loop.run(look_at_members(paths, second))

    # As a user does it: the config says which engine the cluster is to have.
    monkeypatch.setenv("KUBE_ACTORS_HOME", str(tmp_path))
    (tmp_path / "config.yaml").write_text("name: c\n")
    words = ["restore", str(second), "--force", "-f", str(tmp_path / "config.yaml")]
    assert run_parsed(build().parse_args(words)) == 0
    said = capsys.readouterr().out
    assert "Restored 300 keys of cluster 'c'" in said
    assert f"The replaced store is kept as {tmp_path}/c/etcd.replaced" in said
    assert layout.existing(paths) is None
    loop.run(look_at_embedded(paths))
