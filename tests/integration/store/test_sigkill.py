"""Killed at any moment of a storm of writes, again and again: nothing acknowledged is lost, nothing is torn.

STORE_KILL_ROUNDS sets how often (default 40; hundreds before a release).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.store.client import EventBatch, StoreClient
from kube_actors.store.errors import KV, Compacted, StoreError
from kube_actors.store.guarantees import resumable, violations

ROUNDS = int(os.environ.get("STORE_KILL_ROUNDS", "40"))
WRITERS, PAIRS, SIZE = 24, 8, 900

# Everything is imported once; each round is a fork, which begins within milliseconds.
NURSERY = """
import asyncio, os, pathlib, sys
from kube_actors.rpc.server import Listener
from kube_actors.store.server import StoreConfig, StoreServer

async def main(address, folder):
    server = StoreServer(StoreConfig((Listener(address),), pathlib.Path(folder)))
    await server.start()
    print(os.getpid(), flush=True)
    await asyncio.Event().wait()

for line in sys.stdin:
    child = os.fork()
    if not child:
        asyncio.run(main(*line.split()))
    print("ended", os.waitpid(child, 0)[1], flush=True)
"""


class Nursery:
    """A store at an address, which is killed and started anew."""

    def __init__(self, address: str, folder: Path) -> None:
        self._line = f"{address} {folder}\n"
        self._process = subprocess.Popen(
            [sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._child = 0

    def start(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(self._line)
        self._process.stdin.flush()
        while not (said := self._said()).isdigit():  # its log comes before
            assert not said.startswith("ended"), said
        self._child = int(said)

    def kill(self) -> None:
        os.kill(self._child, signal.SIGKILL)
        self._child = 0
        while not (said := self._said()).startswith("ended"):
            pass
        assert said == f"ended {signal.SIGKILL.value}"

    def _said(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the store did not start"
        return line.strip()

    def close(self) -> None:
        if self._child:
            self.kill()
        self._process.communicate()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[tuple[Nursery, str]]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    nursery = Nursery(address, tmp_path)
    yield nursery, address
    nursery.close()


class Storm:
    """What was tried and what was acknowledged, over all rounds."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.attempted: dict[bytes, int] = {}
        self.acknowledged: dict[bytes, tuple[int, int]] = {}
        self.revision = 1
        self.total = 0

    async def put(self, client: StoreClient, key: bytes) -> None:
        """One key, counted up through the batched stream."""
        while True:
            number = self.attempted[key] = self.attempted.get(key, 0) + 1
            try:
                revision = await client.put(key, b"%d:" % number + b"x" * SIZE)
            except StoreError:
                return
            self.note(key, number, revision)

    async def put_pair(self, kv: Stub, name: int) -> None:
        """Two keys in one transaction."""
        key = b"/pair/%d/" % name
        while True:
            number = self.attempted[key] = self.attempted.get(key, 0) + 1
            value = b"%d:" % number + b"y" * SIZE
            puts = [pb.RequestOp(request_put=pb.PutRequest(key=key + side, value=value)) for side in (b"a", b"b")]
            try:
                answer = await kv.unary("Txn", pb.TxnRequest(success=puts))
            except RpcError:
                return
            self.note(key, number, answer.header.revision)

    def note(self, key: bytes, number: int, revision: int) -> None:
        self.acknowledged[key] = number, revision
        self.revision = max(self.revision, revision)
        self.total += 1

    async def watch(self, client: StoreClient, history: list[EventBatch], start: int) -> None:
        try:
            async for batch in client.watch(b"/k/", start):
                history.append(batch)
        except Compacted:
            return

    async def compact(self, client: StoreClient) -> None:
        await asyncio.sleep(random.uniform(0, 0.1))
        try:
            await client.compact(max(self.revision - 50, 1))
        except StoreError:
            return

    def check(self, kvs: list[KV], revision: int) -> None:
        assert revision >= self.revision, "the store's revision went back"
        found = {kv.key: kv for kv in kvs}
        for key, (number, at) in self.acknowledged.items():
            pair = key.startswith(b"/pair/")
            sides = [found[key + side] for side in (b"a", b"b")] if pair else [found[key]]
            assert len({(kv.value[: -SIZE - 1], kv.mod_revision) for kv in sides}) == 1, "a transaction is torn"
            count, _, rest = sides[0].value.partition(b":")
            assert len(rest) == SIZE
            assert number <= int(count) <= self.attempted[key]
            assert sides[0].mod_revision >= at

    async def rage(self, client: StoreClient, nursery: Nursery) -> list[EventBatch]:
        """Write until the store is dead."""
        channel = Channel([self.address])
        kv = Stub(channel, pb.DESCRIPTOR.services_by_name["KV"])
        history: list[EventBatch] = []
        start = self.revision + 1
        loop = asyncio.get_running_loop()
        watch = loop.create_task(self.watch(client, history, start))
        work = [loop.create_task(self.put(client, b"/k/%d" % n)) for n in range(WRITERS)]
        work += [loop.create_task(self.put_pair(kv, n)) for n in range(PAIRS)]
        work.append(loop.create_task(self.compact(client)))
        await asyncio.sleep(random.uniform(0.02, 0.15))
        await asyncio.to_thread(nursery.kill)
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await client.stop()
        await asyncio.gather(*work)
        await channel.close()
        assert violations(history, resumable(start)) == []
        return history


async def test_acknowledged_writes_survive_sigkill(store: tuple[Nursery, str]) -> None:
    nursery, address = store
    storm = Storm(address)
    seen: list[EventBatch] = []
    for _ in range(ROUNDS):
        await asyncio.to_thread(nursery.start)
        client = StoreClient([address], patience=5)
        await client.start()
        answer = await client.range(b"/")
        storm.check(answer.kvs, answer.revision)
        # A watcher is shown nothing that a crash could take back.
        now = {kv.key: kv for kv in answer.kvs}
        for event in (event for batch in seen[-3:] for event in batch.events):
            assert now[event.kv.key].mod_revision >= event.kv.mod_revision
        seen = await storm.rage(client, nursery)
    assert storm.total > ROUNDS * 5
    print(f"{ROUNDS} rounds, {storm.total} acknowledged writes, revision {storm.revision}")
