"""A watcher that does not read costs nobody but itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.server import Listener
from kube_actors.store.client import EventBatch, StoreClient
from kube_actors.store.errors import Compacted
from kube_actors.store.guarantees import reliable, resumable, violations
from kube_actors.store.server import StoreConfig, StoreServer


async def storm(client: StoreClient, count: int) -> list[tuple[int, bytes]]:
    done: list[tuple[int, bytes]] = []
    for start in range(0, count, 100):
        keys = [b"/s/%d" % (number % 50) for number in range(start, start + 100)]
        done += zip(await asyncio.gather(*(client.put(key, b"x" * 2000) for key in keys)), keys, strict=True)
    return done


@pytest.mark.parametrize("slow", [0, 20])
async def test_writers_do_not_wait_for_watchers_that_do_not_read(tmp_path: Path, slow: int) -> None:
    """The slow ones are 20 MB behind; the store holds one copy of that for all, and one who reads sees everything."""
    server = StoreServer(StoreConfig((Listener("127.0.0.1:0"),), tmp_path))
    await server.start()
    client = StoreClient(server.addresses)
    await client.start()
    start = await client.revision() + 1
    channels, streams = [], []
    for _ in range(slow):
        channels.append(Channel(server.addresses))
        stream = Stub(channels[-1], pb.DESCRIPTOR.services_by_name["Watch"]).open("Watch")
        create = pb.WatchCreateRequest(key=b"/", range_end=b"0", start_revision=start)
        await stream.write(pb.WatchRequest(create_request=create))
        streams.append(stream)
    history: list[EventBatch] = []
    begin = asyncio.get_running_loop().time()
    written = await storm(client, 5000)
    took = asyncio.get_running_loop().time() - begin
    async with asyncio.timeout(10):
        watch = client.watch(b"/", start)
        async for batch in watch:
            history.append(batch)
            if batch.revision >= written[-1][0]:
                break
        await watch.aclose()
    assert violations(history, resumable(start), reliable(written)) == []
    # Flow control stops a stream that is not read: its watcher is behind, and nothing is queued for it.
    behind = [stream for stream in server._watch._streams if stream._ready]
    assert len(behind) == slow
    assert all(len(stream._control) == 0 for stream in behind)
    print(f"{slow} slow watchers: 5000 writes in {took:.2f} s")
    # They catch up when they read ...
    if streams:
        seen = 0
        async with asyncio.timeout(20):
            while seen < len(written):
                seen += len((await streams[0].read()).events)
        # ... or are told that it is too late.
        await client.compact(written[-1][0])
        late = client.watch(b"/", start)
        with pytest.raises(Compacted):
            await anext(late)
        async with asyncio.timeout(20):
            while not (answer := await streams[1].read()).canceled:
                pass
        assert answer.compact_revision == written[-1][0]
    for stream in streams:
        stream.cancel()
    for channel in channels:
        await channel.close()
    await client.stop()
    await server.stop()
