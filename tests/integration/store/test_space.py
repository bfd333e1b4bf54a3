"""Space is given back and reported; leases outlive a restart and then end."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.server import Listener
from kube_actors.store.client import StoreClient
from kube_actors.store.server import StoreConfig, StoreServer


async def test_compaction_frees_pages_and_defragmentation_shrinks_the_file(address: str, client: StoreClient) -> None:
    channel = Channel([address])
    services = pb.DESCRIPTOR.services_by_name
    maintenance, kv = Stub(channel, services["Maintenance"]), Stub(channel, services["KV"])

    async def status() -> Any:
        await asyncio.sleep(0.2)  # etcd commits every 100 ms
        return await maintenance.unary("Status", pb.StatusRequest())

    for _ in range(4):
        await asyncio.gather(*(client.put(b"/s/%d" % n, os.urandom(10_000)) for n in range(500)))
    full = await status()
    assert full.dbSize > full.dbSizeInUse * 0.99 > 19 << 20
    await kv.unary("Compact", pb.CompactionRequest(revision=await client.revision(), physical=True), 30)
    compacted = await status()
    assert compacted.dbSizeInUse < full.dbSizeInUse // 2
    assert compacted.dbSize > 15 << 20
    await maintenance.unary("Defragment", pb.DefragmentRequest(), 30)
    shrunk = await status()
    assert shrunk.dbSize < full.dbSize // 2
    assert shrunk.dbSize < shrunk.dbSizeInUse * 1.2
    # What was freed without defragmentation is used again.
    assert (await client.range(b"/s/", count_only=True)).count == 500
    await channel.close()


async def test_a_lease_goes_on_after_a_restart_and_ends(tmp_path: Path) -> None:
    config = StoreConfig((Listener("127.0.0.1:0"),), tmp_path)
    server = StoreServer(config)
    await server.start()
    client = StoreClient(server.addresses)
    await client.start()
    short, long = await client.grant_lease(2), await client.grant_lease(600)
    await client.put(b"/short", b"1", lease=short)
    await client.put(b"/long", b"1", lease=long)
    await client.stop()
    await server.stop()
    server = StoreServer(config)
    restarted = asyncio.get_running_loop().time()
    await server.start()
    client = StoreClient(server.addresses)
    await client.start()
    assert (await client.range(b"/", count_only=True)).count == 2
    async with asyncio.timeout(10):
        while (await client.get(b"/short"))[0] is not None:
            await asyncio.sleep(0.05)
    assert asyncio.get_running_loop().time() - restarted > 1.9
    kept = (await client.get(b"/long"))[0]
    assert kept is not None
    assert kept.lease == long
    assert await client.keep_alive(long) == 600
    await client.stop()
    await server.stop()
