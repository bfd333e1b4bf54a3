"""A store that goes away and comes back, several times, under one client."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kube_actors.rpc.server import Listener
from kube_actors.store.client import StoreClient
from kube_actors.store.server import StoreConfig, StoreServer


async def test_writes_go_on_after_every_outage(tmp_path: Path) -> None:
    server = StoreServer(StoreConfig((Listener("127.0.0.1:0"),), tmp_path))
    await server.start()
    address = server.addresses[0]
    client = StoreClient([address])
    await client.start()
    try:
        await client.put(b"/a", b"0")
        for outage in range(1, 4):
            await server.stop()
            waiting = asyncio.gather(client.put(b"/a", str(outage).encode()))
            # Long enough for several attempts to connect to be refused.
            await asyncio.sleep(1.0)
            server = StoreServer(StoreConfig((Listener(address),), tmp_path))
            await server.start()
            await asyncio.wait_for(waiting, 9)
            found, _ = await client.get(b"/a")
            assert found is not None
            assert found.value == str(outage).encode()
    finally:
        await client.stop()
        await server.stop()
