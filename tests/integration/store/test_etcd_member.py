"""Members as real etcd processes on loopback, kept as the actors keep them, without Ray."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kube_actors.aio.tasks import Tasks
from kube_actors.api.errors import ConfigError
from kube_actors.cluster import ports
from kube_actors.cluster.etcd.admin import Endpoints
from kube_actors.cluster.etcd.command import CLIENT_NAME, PEER_NAME, Peer
from kube_actors.cluster.etcd.files import Credentials, MemberFolder
from kube_actors.cluster.etcd.member import EtcdMember, MemberConfig, Timing
from kube_actors.cluster.etcd.membership import DefragmentPolicy, MemberState, View
from kube_actors.cluster.pki import STORE, Pki
from kube_actors.rpc.tls import ClientTLS
from kube_actors.store.client import StoreClient
from kube_actors.store.errors import EtcdError, StoreUnavailable

pytestmark = pytest.mark.skipif(shutil.which("etcd") is None, reason="no etcd on PATH (Debian: etcd-server)")

TIMING = Timing(look=0.05, start=20.0, probe=0.3, upkeep=0.5, stop=1.0)
LITTLE = DefragmentPolicy(free_bytes=1 << 20, share=0.3, pause=0.2)


def credentials(pki: Pki) -> Credentials:
    return Credentials(
        pki.ca,
        pki.issue(STORE, hosts=(STORE, "127.0.0.1"), client=True),
        pki.issue(PEER_NAME, hosts=("127.0.0.1",), client=True),
    )


def client_tls(pki: Pki) -> ClientTLS:
    issued = pki.issue("test", hosts=(CLIENT_NAME,), client=True)
    return ClientTLS(pki.ca, issued.certificate, issued.key, STORE)


@dataclass
class Lab:
    """Members by name; `stop` ends what still runs."""

    folder: Path
    pki: Pki
    peers: tuple[Peer, ...]
    members: dict[str, EtcdMember]

    @property
    def addresses(self) -> list[str]:
        return [peer.client_address for peer in self.peers]

    def config(self, name: str) -> MemberConfig:
        return MemberConfig(
            name=name,
            root=self.folder / "etcd",
            binary="etcd",
            peers=self.peers,
            token="test",
            log=self.folder / f"{name}.log",
            credentials=lambda: credentials(self.pki),
            client_tls=client_tls(self.pki),
            timing=TIMING,
            defragment=LITTLE,
        )

    def make(self, name: str, change: Callable[[MemberConfig], MemberConfig] = lambda config: config) -> EtcdMember:
        self.members[name] = EtcdMember(change(self.config(name)))
        return self.members[name]

    async def start(self) -> None:
        await asyncio.gather(*(self.make(peer.name).start() for peer in self.peers))

    async def stop(self) -> None:
        await asyncio.gather(*(member.stop() for member in self.members.values()))

    async def view(self) -> View | None:
        endpoints = Endpoints(client_tls(self.pki))
        try:
            found = await endpoints.view(self.addresses)
            return found[0] if found else None
        finally:
            await endpoints.close()

    async def until(self, what: Callable[[View], bool], seconds: float = 30.0) -> View:
        deadline = time.monotonic() + seconds
        while True:
            view = await self.view()
            if view is not None and what(view):
                return view
            assert time.monotonic() < deadline, f"still {view}"
            await asyncio.sleep(0.1)

    def client(self) -> StoreClient:
        return StoreClient(self.addresses, client_tls(self.pki))


def all_well(view: View) -> bool:
    return len(view.voters) == 3 == len(view.members) and view.healthy == view.voters


def make_lab(folder: Path, count: int) -> Lab:
    free = iter(ports.free_ports(2 * count))
    peers = tuple(
        Peer(f"storemember-{number}", f"https://127.0.0.1:{next(free)}", f"127.0.0.1:{next(free)}")
        for number in range(1, count + 1)
    )
    return Lab(folder, Pki.open(folder / "pki"), peers, {})


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    """Three members that serve."""
    three = make_lab(tmp_path, 3)
    try:
        await three.start()
        yield three
    finally:
        await three.stop()
    assert not any(member.pid for member in three.members.values())


class Load:
    """Writers that count what was acknowledged."""

    def __init__(self, client: StoreClient, writers: int = 8) -> None:
        self.acknowledged: set[bytes] = set()
        self.failures = 0
        self._client = client
        self._tasks = Tasks("load")
        for writer in range(writers):
            self._tasks.spawn(self._write(writer), f"writer {writer}")

    async def _write(self, writer: int) -> None:
        number = 0
        while True:
            number += 1
            key = f"/load/{writer}/{number:06}".encode()
            try:
                await self._client.put(key, b"x" * 200, expected_revision=0)
            except StoreUnavailable:
                self.failures += 1
                await asyncio.sleep(0.05)
            else:
                self.acknowledged.add(key)

    async def more(self, count: int, seconds: float = 30.0) -> None:
        """Until so many more are acknowledged."""
        wanted = len(self.acknowledged) + count
        async with asyncio.timeout(seconds):
            while len(self.acknowledged) < wanted:
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        await self._tasks.stop()


async def found(client: StoreClient) -> set[bytes]:
    return {kv.key for kv in (await client.range(b"/load/", keys_only=True)).kvs}


async def test_a_member_that_is_killed_under_load_comes_back_and_no_acknowledged_write_is_lost(lab: Lab) -> None:
    client = lab.client()
    await client.start()
    load = Load(client)
    try:
        await load.more(200)
        for _ in range(2):
            view = await lab.until(all_well)
            leader = view.states[0].leader
            # The leader, and then whoever leads after it.
            name = next(member.name for member in view.members if member.id == leader)
            before = lab.members[name].pid
            os.kill(before, signal.SIGKILL)
            await load.more(200)
            await lab.until(all_well)
            assert lab.members[name].pid not in (0, before)
        await load.stop()
        assert load.acknowledged <= await found(client)
    finally:
        await load.stop()
        await client.stop()


async def test_a_member_whose_data_is_gone_is_replaced_as_a_learner_and_promoted(lab: Lab) -> None:
    client = lab.client()
    await client.start()
    load = Load(client, writers=2)
    try:
        await load.more(100)
        before = await lab.until(all_well)
        old = next(member.id for member in before.members if member.name == "storemember-2")
        await lab.members["storemember-2"].stop()
        shutil.rmtree(lab.folder / "etcd" / "storemember-2" / "data")
        await lab.make("storemember-2").start()
        after = await lab.until(lambda view: all_well(view) and {m.name for m in view.members} == names(before))
        assert old not in {member.id for member in after.members}
        await load.more(100)
        await load.stop()
        assert load.acknowledged <= await found(client)
    finally:
        await load.stop()
        await client.stop()


def names(view: View) -> set[str]:
    return {member.name for member in view.members}


async def test_a_member_whose_whole_folder_is_gone_is_replaced_too(lab: Lab) -> None:
    before = await lab.until(all_well)
    await lab.members["storemember-3"].stop()
    shutil.rmtree(lab.folder / "etcd" / "storemember-3")
    (lab.folder / "etcd" / "storemember-3.member").unlink()
    await lab.make("storemember-3").start()
    after = await lab.until(all_well)
    assert len({member.id for member in after.members} & {member.id for member in before.members}) == 2


async def test_a_member_is_replaced_by_one_at_another_address(lab: Lab) -> None:
    """What happens when a machine is gone: another one gets the member, with an empty folder."""
    before = await lab.until(all_well)
    gone = lab.members.pop("storemember-1")
    await gone.stop()
    peer, client = ports.free_ports(2)
    moved = Peer("storemember-1", f"https://127.0.0.1:{peer}", f"127.0.0.1:{client}")
    lab.peers = (moved, *lab.peers[1:])
    elsewhere = lab.folder / "elsewhere"
    await lab.make("storemember-1", lambda config: replace(config, root=elsewhere, joining=True)).start()
    after = await lab.until(all_well)
    assert names(after) == names(before)
    assert moved.peer_url in {url for member in after.members for url in member.peer_urls}


async def test_a_member_that_was_removed_while_it_was_away_joins_anew(lab: Lab) -> None:
    before = await lab.until(all_well)
    old = next(member.id for member in before.members if member.name == "storemember-2")
    await lab.members["storemember-2"].stop()
    endpoints = Endpoints(client_tls(lab.pki))
    await endpoints.at(lab.addresses[0]).remove(old)
    await endpoints.close()
    await lab.make("storemember-2").start()
    after = await lab.until(all_well)
    assert old not in {member.id for member in after.members}
    assert (lab.folder / "etcd" / "storemember-2" / "aside").is_dir()


async def test_all_members_restart_with_what_they_had(lab: Lab) -> None:
    client = lab.client()
    await client.start()
    await client.put(b"/kept", b"1")
    before = await lab.until(all_well)
    await client.stop()
    await lab.stop()
    assert await lab.view() is None
    await lab.start()
    after = await lab.until(all_well)
    assert {member.id for member in after.members} == {member.id for member in before.members}
    client = lab.client()
    await client.start()
    kv, _ = await client.get(b"/kept")
    assert kv is not None
    await client.stop()


async def test_all_members_are_killed_at_once_and_come_back(lab: Lab) -> None:
    client = lab.client()
    await client.start()
    load = Load(client)
    try:
        await load.more(100)
        for member in lab.members.values():
            os.kill(member.pid, signal.SIGKILL)
        await lab.until(all_well)
        await load.more(100)
        await load.stop()
        assert load.acknowledged <= await found(client)
    finally:
        await load.stop()
        await client.stop()


KEEPER = """
import asyncio, importlib.util, json, pathlib, sys

spec = importlib.util.spec_from_file_location("members", sys.argv[1])
members = importlib.util.module_from_spec(spec)
sys.modules["members"] = members
spec.loader.exec_module(members)

async def main():
    folder = pathlib.Path(sys.argv[2])
    peers = tuple(members.Peer(*peer) for peer in json.loads(sys.argv[3]))
    member = members.Lab(folder, members.Pki.open(folder / "pki"), peers, {}).make("storemember-1")
    await member.start()
    print(member.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def keeper_killed(lab: Lab) -> int:
    """A keeper in a process of its own that was killed, and the etcd process that it left."""
    await lab.members.pop("storemember-1").stop()
    peers = json.dumps([[peer.name, peer.peer_url, peer.client_address] for peer in lab.peers])
    keeper = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KEEPER, __file__, str(lab.folder), peers, stdout=asyncio.subprocess.PIPE
    )
    assert keeper.stdout is not None
    while not (line := (await keeper.stdout.readline()).strip()).isdigit():
        assert line
    keeper.kill()
    await keeper.communicate()
    return int(line)


async def test_a_keeper_that_was_killed_leaves_a_process_that_the_next_one_adopts(lab: Lab) -> None:
    pid = await keeper_killed(lab)
    again = lab.make("storemember-1")
    await again.start()
    assert again.pid == pid
    os.kill(pid, signal.SIGKILL)
    await lab.until(lambda view: all_well(view) and again.pid not in (0, pid))


async def test_a_process_that_runs_with_other_settings_is_ended_and_started_anew(lab: Lab) -> None:
    pid = await keeper_killed(lab)
    folder = MemberFolder(lab.folder / "etcd", "storemember-1")
    running = folder.running()
    assert running is not None
    folder.set_running(replace(running, flags=(*running.flags, "--other")))
    again = lab.make("storemember-1")
    await again.start()
    assert again.pid != pid
    assert not running.process.alive()
    await lab.until(all_well)


async def test_a_process_of_the_cluster_from_before_a_restore_is_ended_and_its_data_put_aside(lab: Lab) -> None:
    pid = await keeper_killed(lab)
    again = lab.make("storemember-1", lambda config: replace(config, token="restored"))
    await again.start()
    assert again.pid != pid
    assert (lab.folder / "etcd" / "storemember-1" / "aside").is_dir()
    await lab.until(all_well)


async def test_two_keepers_never_look_after_one_member(lab: Lab) -> None:
    second = EtcdMember(lab.config("storemember-1"))
    with pytest.raises(StoreUnavailable, match="another process looks after storemember-1"):
        await second.start()
    await second.stop()
    assert lab.members["storemember-1"].pid
    await lab.until(all_well)


async def test_a_process_that_hangs_is_ended_and_started_again(lab: Lab) -> None:
    await lab.members["storemember-3"].stop()
    impatient = replace(TIMING, silent=3.0, stop=0.5)
    member = lab.make("storemember-3", lambda config: replace(config, timing=impatient))
    await member.start()
    pid = member.pid
    os.kill(pid, signal.SIGSTOP)
    await lab.until(lambda view: all_well(view) and member.pid not in (0, pid))


async def test_members_are_defragmented_in_turn(lab: Lab) -> None:
    client = lab.client()
    await client.start()
    try:
        for number in range(60):
            await client.put(b"/big/%d" % (number % 3), os.urandom(200_000))
        await client.compact(await client.revision())

        def compact(view: View) -> bool:
            return all_well(view) and all(state.db_size < 6_000_000 for state in view.states)

        assert not compact(await lab.until(all_well))
        # etcd counts pages as free when a later write has been committed.
        for number in range(20):
            await client.put(b"/small", b"%d" % number)
            await asyncio.sleep(0.1)
        await lab.until(compact)
        assert (await client.range(b"/big/", keys_only=True)).count == 3
    finally:
        await client.stop()


async def test_only_the_store_clients_certificate_opens_the_store(lab: Lab) -> None:
    """A node's certificate comes from the same authority, and is refused."""
    node = lab.pki.client_tls("system:node:node-1", ("system:nodes",), STORE)
    endpoints = Endpoints(node)
    answers = await endpoints.states(lab.addresses)
    await endpoints.close()
    assert all(isinstance(answer, EtcdError) for answer in answers.values())
    allowed = Endpoints(client_tls(lab.pki))
    answers = await allowed.states(lab.addresses)
    await allowed.close()
    assert all(isinstance(answer, MemberState) for answer in answers.values())


async def test_one_member_alone_keeps_its_data_over_a_restart_and_refuses_to_start_without(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, 1)
    try:
        await lab.start()
        await lab.stop()
        await lab.start()
        await lab.stop()
        shutil.rmtree(tmp_path / "etcd" / "storemember-1" / "data")
        with pytest.raises(ConfigError, match="storemember-1: the data of the only member is gone; restore a backup"):
            await lab.start()
    finally:
        await lab.stop()


async def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, 1)
    host, _, port = lab.peers[0].peer_url.removeprefix("https://").partition(":")
    server = await asyncio.start_server(lambda reader, writer: writer.close(), host, int(port))
    try:
        with pytest.raises(ConfigError, match=r"^etcd storemember-1 does not start: listen .*address already in use$"):
            await lab.start()
    finally:
        await lab.stop()
        server.close()
        await server.wait_closed()


async def test_without_a_quorum_a_member_runs_and_waits(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, 3)
    waiting = replace(TIMING, start=1.0)
    try:
        first = lab.make("storemember-1", lambda config: replace(config, timing=waiting))
        await first.start()
        assert first.pid
        assert await lab.view() is None
        await lab.make("storemember-2").start()
        await lab.until(lambda view: len(view.healthy) == 2)
    finally:
        await lab.stop()
