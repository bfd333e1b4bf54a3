"""StoreClient against both stores, and its watch over a store that goes away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kube_actors.rpc.server import Listener
from kube_actors.store import errors
from kube_actors.store.client import EventBatch, StoreClient, StoreWatch
from kube_actors.store.guarantees import reliable, resumable, violations
from kube_actors.store.server import StoreConfig, StoreServer


async def collect(watch: StoreWatch, through: int) -> list[EventBatch]:
    history = []
    async with asyncio.timeout(20):
        async for batch in watch:
            history.append(batch)
            if batch.revision >= through:
                break
    await watch.aclose()
    return history


async def test_conditional_writes(client: StoreClient) -> None:
    first = await client.put(b"a", b"1", expected_revision=0)
    with pytest.raises(errors.RevisionConflict) as conflict:
        await client.put(b"a", b"2", expected_revision=0)
    assert conflict.value.current is not None
    assert (conflict.value.current.value, conflict.value.current.mod_revision) == (b"1", first)
    second = await client.put(b"a", b"2", expected_revision=first)
    assert second == first + 1
    with pytest.raises(errors.RevisionConflict):
        await client.delete(b"a", expected_revision=first)
    assert await client.delete(b"a", expected_revision=second) == second + 1
    with pytest.raises(errors.RevisionConflict) as gone:
        await client.put(b"a", b"3", expected_revision=second)
    assert gone.value.current is None
    assert await client.delete(b"a") == second + 1
    assert await client.get(b"a") == (None, second + 1)


async def test_many_writers_of_one_key_each_win_once(client: StoreClient) -> None:
    async def increment() -> None:
        while True:
            kv, _ = await client.get(b"counter")
            try:
                await client.put(
                    b"counter",
                    str(int(kv.value) + 1 if kv else 1).encode(),
                    expected_revision=kv.mod_revision if kv else 0,
                )
            except errors.RevisionConflict:
                continue
            return

    await asyncio.gather(*(increment() for _ in range(20)))
    kv, _ = await client.get(b"counter")
    assert kv is not None
    assert (kv.value, kv.version) == (b"20", 20)


async def test_range_in_pages_at_one_revision(client: StoreClient) -> None:
    await asyncio.gather(*(client.put(b"/r/%04d" % number, b"v") for number in range(2500)))
    everything = await client.range(b"/r/")
    assert [kv.key for kv in everything.kvs] == [b"/r/%04d" % number for number in range(2500)]
    assert (everything.count, everything.more) == (2500, False)
    page = await client.range(b"/r/", start=b"/r/0100", limit=10)
    assert [kv.key for kv in page.kvs] == [b"/r/%04d" % number for number in range(100, 110)]
    assert (page.count, page.more) == (2400, True)
    await client.delete(b"/r/0100")
    old = await client.range(b"/r/", start=b"/r/0100", limit=1, revision=page.revision)
    assert old.kvs[0].key == b"/r/0100"
    assert (await client.range(b"/r/", count_only=True)).count == 2499
    assert all(kv.value == b"" for kv in (await client.range(b"/r/", limit=3, keys_only=True)).kvs)


async def test_watch_keeps_its_promises_while_many_write(client: StoreClient) -> None:
    start = await client.revision() + 1
    history = asyncio.gather(
        *(collect(client.watch(b"/w/", start), start + 399), collect(client.watch(b"/w/1", start), start + 390))
    )
    revisions = await asyncio.gather(*(client.put(b"/w/%d" % (number % 50), b"v") for number in range(400)))
    await client.put(b"/w/1", b"last")
    full, _ = await history
    expected = [(revision, b"/w/%d" % (number % 50)) for number, revision in enumerate(revisions)]
    assert violations(full, resumable(start), reliable(expected)) == []
    previous = {event.kv.key: event for batch in full for event in batch.events}
    previous.pop(b"/w/1")
    assert all(event.prev is not None and event.kv.version == 8 for event in previous.values())


async def test_watch_behind_a_compaction_says_compacted(client: StoreClient) -> None:
    first = await client.put(b"c", b"1")
    last = await client.put(b"c", b"2")
    await client.compact(last)
    with pytest.raises(errors.Compacted) as compacted:
        await collect(client.watch(b"c", first), last)
    assert compacted.value.compact_revision == last
    with pytest.raises(errors.Compacted):
        await client.get(b"c", revision=first)
    with pytest.raises(errors.FutureRevision):
        await client.get(b"c", revision=last + 1000)


async def test_leases(client: StoreClient) -> None:
    lease = await client.grant_lease(60)
    await client.put(b"l", b"1", lease=lease)
    assert await client.keep_alive(lease) == 60
    await client.revoke_lease(lease)
    assert (await client.get(b"l"))[0] is None
    with pytest.raises(errors.LeaseNotFound):
        await client.keep_alive(lease)
    with pytest.raises(errors.LeaseNotFound):
        await client.put(b"l", b"1", lease=lease)


async def test_revision_is_shared_and_linearizable(client: StoreClient) -> None:
    written = await client.put(b"x", b"1")
    assert set(await asyncio.gather(*(client.revision() for _ in range(50)))) == {written}


async def test_progress_on_request(tmp_path: Path) -> None:
    server = StoreServer(StoreConfig((Listener("127.0.0.1:0"),)))
    await server.start()
    client = StoreClient(server.addresses)
    await client.start()
    await client.put(b"/p/1", b"v")
    watch = client.watch(b"/p/", 1)
    assert (await anext(watch)).events
    other = await client.put(b"/elsewhere", b"v")
    await watch.request_progress()
    batch = await asyncio.wait_for(anext(watch), 2)
    assert batch == EventBatch([], other)
    await watch.aclose()
    await client.stop()
    await server.stop()


async def test_a_watch_and_writes_survive_a_restart_of_the_store(tmp_path: Path) -> None:
    config = StoreConfig((Listener("127.0.0.1:0"),), tmp_path)
    server = StoreServer(config)
    await server.start()
    address = server.addresses[0]
    client = StoreClient([address])
    await client.start()
    start = await client.revision() + 1
    watching = asyncio.gather(collect(client.watch(b"/s/", start), start + 60))
    written = []
    for turn in range(3):
        for number in range(20):
            written.append((await client.put(b"/s/%d" % number, b"%d" % turn), b"/s/%d" % number))
        await server.stop()
        server = StoreServer(StoreConfig((Listener(address),), tmp_path))
        await server.start()
    await client.put(b"/s/end", b"")
    (history,) = await asyncio.wait_for(watching, 20)
    assert violations(history, resumable(start), reliable(written)) == []
    await client.stop()
    await server.stop()


async def test_a_store_that_is_not_there_is_unavailable() -> None:
    client = StoreClient(["127.0.0.1:1"], patience=0.3)
    await client.start()
    with pytest.raises(errors.StoreUnavailable):
        await client.get(b"a")
    with pytest.raises(errors.StoreUnavailable):
        await client.put(b"a", b"1")
    await client.stop()


async def test_a_client_that_has_stopped_says_so(address: str) -> None:
    client = StoreClient([address])
    await client.start()
    await client.put(b"a", b"1")
    watch = client.watch(b"", 1)
    await client.stop()
    with pytest.raises(errors.StoreUnavailable, match="has stopped"):
        await anext(watch)
    for call in (client.get(b"a"), client.put(b"a", b"2"), client.compact(1), client.revision()):
        with pytest.raises((errors.StoreUnavailable, RuntimeError)):
            await call
