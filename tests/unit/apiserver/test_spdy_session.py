"""Streams of a SPDY connection: replies, half-closes, resets, windows, and memory that is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from kube_actors.aio.tasks import Tasks
from kube_actors.apiserver.spdy import ProtocolError, Session, Stream, frames
from kube_actors.apiserver.spdy.session import CHUNK, MAX_STREAMS, MAX_UNREAD, WINDOW


class Peer:
    """The client's end, in memory; it is also the session's transport."""

    def __init__(self) -> None:
        self.opened: list[Stream] = []
        self.sent: list[frames.Frame] = []
        self.session = Session(self, self.opened.append)
        self.reads = 0
        self._writer = frames.FrameWriter()
        self._reader = frames.FrameReader()
        self._input: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(self) -> bytes:
        self.reads += 1
        return await self._input.get()

    async def write(self, data: bytes) -> None:
        self.sent += self._reader.feed(data)

    async def say(self, *said: frames.Frame) -> None:
        """Send, and let the session read as far as it will."""
        for frame in said:
            self._input.put_nowait(self._writer.encode(frame))
        await settle()

    async def open(self, number: int, **headers: str) -> Stream:
        await self.say(frames.SynStream(number, headers))
        return self.opened[-1]

    def leave(self) -> None:
        self._input.put_nowait(b"")

    def data(self, stream: int) -> bytes:
        return b"".join(each.data for each in self.sent if isinstance(each, frames.Data) and each.stream == stream)


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer, tasks = Peer(), Tasks("test")
    tasks.spawn(peer.session.run(), "session")
    yield peer
    await tasks.stop()


async def test_a_stream_is_replied_to_and_carries_bytes_both_ways(peer: Peer) -> None:
    stream = await peer.open(1, streamtype="stdin")
    assert peer.sent == [frames.SynReply(1, {})]
    assert stream.headers == {"streamtype": "stdin"}
    await peer.say(frames.Data(1, b"abc"), frames.Data(1, b"", fin=True))
    assert (await stream.read(), await stream.read()) == (b"abc", b"")
    await stream.write(b"x" * (CHUNK + 1))
    await stream.close()
    assert peer.data(1) == b"x" * (CHUNK + 1)
    assert peer.sent[-1] == frames.Data(1, b"", fin=True)


async def test_a_ping_of_the_client_comes_back(peer: Peer) -> None:
    await peer.say(frames.Ping(7), frames.Ping(8))
    assert peer.sent == [frames.Ping(7)]


async def test_a_reset_stream_neither_reads_nor_writes(peer: Peer) -> None:
    stream = await peer.open(1)
    await peer.say(frames.Data(1, b"lost"), frames.Reset(1, frames.CANCEL))
    with pytest.raises(ConnectionResetError):
        await stream.read()
    with pytest.raises(ConnectionResetError):
        await stream.write(b"x")


async def test_a_peer_that_goes_cuts_its_streams(peer: Peer) -> None:
    stream = await peer.open(1)
    peer.leave()
    with pytest.raises(ConnectionResetError):
        await stream.read()


async def test_a_peer_without_windows_gets_all_at_once(peer: Peer) -> None:
    stream = await peer.open(1)
    await stream.write(b"x" * 5 * WINDOW)
    assert len(peer.data(1)) == 5 * WINDOW


async def test_a_peer_with_windows_gets_what_it_lets_in(peer: Peer) -> None:
    stream = await peer.open(1)
    await peer.say(frames.Settings(((frames.INITIAL_WINDOW_SETTING, 1000),)))
    tasks = Tasks("write")
    writing = tasks.spawn(stream.write(b"x" * 3000), "write")
    await settle()
    assert len(peer.data(1)) == 1000
    await peer.say(frames.WindowUpdate(1, 500))
    assert len(peer.data(1)) == 1500
    await peer.say(frames.WindowUpdate(0, 1), frames.WindowUpdate(1, 1500))
    await writing
    assert len(peer.data(1)) == 3000


async def test_the_window_of_the_connection_binds_all_streams_together(peer: Peer) -> None:
    one, two = await peer.open(1), await peer.open(3)
    await peer.say(frames.WindowUpdate(1, WINDOW), frames.WindowUpdate(3, WINDOW))
    tasks = Tasks("write")
    tasks.spawn(one.write(b"x" * WINDOW), "one")
    blocked = tasks.spawn(two.write(b"y" * 10), "two")
    await settle()
    assert (len(peer.data(1)), len(peer.data(3))) == (WINDOW, 0)
    await peer.say(frames.WindowUpdate(0, 10))
    await blocked
    assert peer.data(3) == b"y" * 10


async def test_what_nobody_reads_stays_with_the_peer(peer: Peer) -> None:
    stream = await peer.open(1)
    for _ in range(100):
        await peer.say(frames.Data(1, b"x" * CHUNK))
    # One piece beyond the limit, and one in the hand of the session.
    kept = peer.reads * CHUNK
    assert kept <= MAX_UNREAD + 4 * CHUNK
    received = 0
    while received < 100 * CHUNK:
        received += len(await stream.read())
    await settle()
    assert sum(each.delta for each in peer.sent if isinstance(each, frames.WindowUpdate) and each.stream) >= WINDOW


async def test_too_many_streams_are_refused_one_by_one(peer: Peer) -> None:
    await peer.say(*(frames.SynStream(1 + 2 * number, {}) for number in range(MAX_STREAMS + 1)))
    for _ in range(MAX_STREAMS // 10):
        await settle()
    assert peer.sent[-1] == frames.Reset(1 + 2 * MAX_STREAMS, frames.REFUSED_STREAM)


@pytest.mark.parametrize("numbers", [(2,), (3, 1), (3, 3)])
async def test_numbers_out_of_order_end_the_connection(numbers: tuple[int, ...]) -> None:
    peer = Peer()
    for number in numbers:
        peer._input.put_nowait(peer._writer.encode(frames.SynStream(number, {})))
    with pytest.raises(ProtocolError):
        await peer.session.run()
    assert isinstance(peer.sent[-1], frames.GoAway)
