"""What happens by itself: leases end, history is forgotten. In virtual time, on a store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.aio.tasks import Tasks
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.store.compaction import Compactor
from kube_actors.store.engine import Engine
from kube_actors.store.errors import Compacted, LeaseNotFound
from kube_actors.store.services.lease import PRECISION, LeaseService
from kube_actors.store.services.reading import read

pytestmark = pytest.mark.looptime


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    found = Engine()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    found = Tasks("test")
    yield found
    await found.stop()


async def test_a_lease_ends_in_time_and_takes_its_keys_along_in_one_revision(engine: Engine, tasks: Tasks) -> None:
    service = LeaseService(engine)
    tasks.spawn_forever(service.expire(), "expiry")
    lease = engine.grant(0, 60).id
    for key in (b"a", b"b"):
        engine.put(key, b"1", lease)
    kept = engine.put(b"c", b"1", 0)
    await asyncio.sleep(59.9)
    assert engine.index.live(b"a") is not None
    await asyncio.sleep(0.1 + PRECISION)
    assert engine.index.live(b"a") is engine.index.live(b"b") is None
    assert engine.index.live(b"c") is not None
    assert engine.durable == kept + 1
    with pytest.raises(LeaseNotFound):
        engine.put(b"a", b"1", lease)


async def test_a_lease_lives_as_long_as_it_is_kept_alive(engine: Engine, tasks: Tasks) -> None:
    service = LeaseService(engine)
    tasks.spawn_forever(service.expire(), "expiry")
    lease = engine.grant(0, 10).id
    for _ in range(100):
        await asyncio.sleep(9)
        assert engine.leases.renew(lease, asyncio.get_running_loop().time()) == 10
    await asyncio.sleep(10 + PRECISION)
    assert engine.leases.find(lease) is None


async def test_many_leases_end_each_at_its_time(engine: Engine, tasks: Tasks) -> None:
    tasks.spawn_forever(LeaseService(engine).expire(), "expiry")
    begin = asyncio.get_running_loop().time()
    for ttl in range(2, 300):
        engine.put(b"%d" % ttl, b"1", engine.grant(ttl, ttl).id)
    while len(engine.leases):
        await asyncio.sleep(7)
        passed = asyncio.get_running_loop().time() - begin
        alive = {int(key) for key in engine.index.heads if engine.index.live(key)}
        assert {ttl for ttl in range(2, 300) if ttl > passed} <= alive
        assert not {ttl for ttl in alive if ttl + PRECISION < passed - 0.01}


async def test_a_key_that_changed_its_lease_stays(engine: Engine, tasks: Tasks) -> None:
    tasks.spawn_forever(LeaseService(engine).expire(), "expiry")
    short, long = engine.grant(0, 10).id, engine.grant(0, 1000).id
    engine.put(b"moved", b"1", short)
    engine.put(b"moved", b"2", long)
    engine.put(b"freed", b"1", short)
    engine.put(b"freed", b"2", 0)
    await asyncio.sleep(20)
    assert engine.leases.find(short) is None
    assert engine.index.live(b"moved") is not None
    assert engine.index.live(b"freed") is not None


def compactor(engine: Engine, tasks: Tasks, retention: float, revisions: int) -> None:
    Compactor(engine, LoopClock(), tasks, retention=retention, revisions=revisions).start()


async def write(engine: Engine, seconds: int) -> None:
    """One revision a second."""
    for number in range(seconds):
        engine.write(b"k/%d" % (number % 10), b"%d" % number, None, 0)
        await asyncio.sleep(1)


async def test_history_is_kept_for_its_time_and_not_much_longer(engine: Engine, tasks: Tasks) -> None:
    compactor(engine, tasks, retention=100, revisions=0)
    await write(engine, 99)
    assert engine.compacted == -1
    await write(engine, 401)
    age = engine.durable - engine.compacted  # a revision is a second
    assert 98 <= age <= 112
    with pytest.raises(Compacted):
        await read(engine, pb.RangeRequest(key=b"k/1", revision=engine.compacted - 1))
    assert (await read(engine, pb.RangeRequest(key=b"k/1", revision=engine.compacted))).kvs
    # The records are gone, but for what the kept revisions show (and the step that is under way).
    assert len(engine.scan(0, 10_000)) <= age + 21


async def test_an_idle_store_keeps_what_is_newest(engine: Engine, tasks: Tasks) -> None:
    compactor(engine, tasks, retention=100, revisions=0)
    await write(engine, 50)
    await asyncio.sleep(1000)
    assert engine.compacted == engine.durable
    assert (await read(engine, pb.RangeRequest(key=b"k/", range_end=b"k0"))).count == 10
    assert len(engine.scan(0, 10_000)) == 10


async def test_at_most_so_many_revisions_are_kept(engine: Engine, tasks: Tasks) -> None:
    compactor(engine, tasks, retention=0, revisions=50)
    await write(engine, 40)
    assert engine.compacted == -1
    await write(engine, 300)
    assert 50 <= engine.durable - engine.compacted <= 61  # looked at every ten seconds


async def test_without_limits_nothing_is_forgotten(engine: Engine, tasks: Tasks) -> None:
    compactor(engine, tasks, retention=0, revisions=0)
    await write(engine, 1000)
    assert engine.compacted == -1
    assert len(engine.scan(0, 10_000)) == 1000
