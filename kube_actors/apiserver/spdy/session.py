"""A connection's streams over a transport of bytes.

Flow control. What we receive: each stream keeps at most MAX_UNREAD bytes; beyond that the connection is not read
until they are taken, and windows are opened as they are taken. What we send: a peer that keeps to flow control says
so with SETTINGS or its first WINDOW_UPDATE, from then on its windows bind us. Kubernetes' clients (moby/spdystream)
know no windows at all and would wait for ever for data that we keep back; for them the transport's own flow
control has to do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from kube_actors.apiserver.spdy import frames
from kube_actors.apiserver.spdy.frames import Frame, FrameReader, FrameWriter, ProtocolError
from kube_actors.apiserver.spdy.headers import Headers

WINDOW = 64 * 1024
MAX_UNREAD = 4 * WINDOW
MAX_STREAMS = 1024
# Data goes out in frames of this size, so that streams take turns.
CHUNK = 32 * 1024


class Transport(Protocol):
    """A pair of byte streams. `read` answers b"" at the end; both may raise ConnectionError."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None:
        """Takes the bytes before it waits for anything: writes are sent in the order of the calls."""


class Stream:
    """One stream that the peer opened. Reading and writing may go on in different tasks."""

    def __init__(self, session: Session, number: int, headers: Headers, window: int, *, ended: bool) -> None:
        self.number = number
        self.headers = headers
        self._session = session
        self._chunks: deque[bytes] = deque()
        self._unread = 0
        self._taken = 0
        self._changed = asyncio.Event()
        self.window = window
        self._ended = ended
        self._closed = False
        self.broken = False

    async def read(self) -> bytes:
        """The next bytes, b"" at the end. Raises ConnectionResetError where it was cut off."""
        while not self._chunks:
            if self.broken:
                raise ConnectionResetError("the stream was reset")
            if self._ended:
                return b""
            await self.change()
        chunk = self._chunks.popleft()
        self._unread -= len(chunk)
        self._signal()
        await self._open_window(len(chunk))
        return chunk

    async def write(self, data: bytes) -> None:
        """Raises ConnectionResetError where nobody listens any more."""
        view = memoryview(data)
        while view:
            size = await self._session.grant(self, min(len(view), CHUNK))
            await self._session.send(frames.Data(self.number, bytes(view[:size])))
            view = view[size:]

    async def close(self) -> None:
        """Nothing more is written."""
        if not self._closed and not self.broken:
            self._closed = True
            await self._session.send(frames.Data(self.number, b"", fin=True))
            self._session.forget(self)

    async def reset(self, status: int = frames.CANCEL) -> None:
        """Neither side reads or writes any more."""
        if not self.broken and not self.over:
            self.cut()
            await self._session.send(frames.Reset(self.number, status))
            self._session.forget(self)

    @property
    def over(self) -> bool:
        """Both sides have ended."""
        return self.broken or (self._ended and self._closed)

    @property
    def full(self) -> bool:
        return self._unread > MAX_UNREAD and not self.broken

    # What the session does with it.

    def receive(self, data: bytes, fin: bool) -> None:
        if data and not self.broken:
            self._chunks.append(data)
            self._unread += len(data)
        self._ended = self._ended or fin
        self._signal()

    def cut(self) -> None:
        self.broken = True
        self._chunks.clear()
        self._signal()

    async def room(self) -> None:
        """Until it may receive again."""
        while self.full:
            await self.change()

    def shift_window(self, delta: int) -> None:
        self.window += delta
        self._signal()

    async def change(self) -> None:
        """Until something happens to the stream."""
        self._changed.clear()
        await self._changed.wait()

    def _signal(self) -> None:
        self._changed.set()

    async def _open_window(self, size: int) -> None:
        """Half a window taken: the peer may send as much again."""
        self._taken += size
        if self._taken >= WINDOW // 2 and not self._ended:
            taken, self._taken = self._taken, 0
            await self._session.send(frames.WindowUpdate(self.number, taken))


class Session:
    """`run` reads until the peer has gone; `opened` is called with each stream, which has been replied to."""

    def __init__(self, transport: Transport, opened: Callable[[Stream], None]) -> None:
        self._transport = transport
        self._opened = opened
        self._reader = FrameReader()
        self._writer = FrameWriter()
        self._streams: dict[int, Stream] = {}
        self._last = 0
        self._received = 0
        # The peer's windows, which count only once it has shown that it knows them.
        self._windows = False
        self._initial_window = WINDOW
        self._window = WINDOW

    async def run(self) -> None:
        """Raises ProtocolError after the peer was told, ConnectionError where the transport breaks."""
        try:
            while data := await self._transport.read():
                for frame in self._reader.feed(data):
                    await self._handle(frame)
        except ProtocolError:
            await self.send(frames.GoAway(self._last, 1))
            raise
        finally:
            for stream in self._streams.values():
                stream.cut()
            self._streams.clear()

    async def send(self, frame: Frame) -> None:
        await self._transport.write(self._writer.encode(frame))

    async def close(self) -> None:
        """Say goodbye; the transport is its owner's to close."""
        await self.send(frames.GoAway(self._last))

    def forget(self, stream: Stream) -> None:
        if stream.over:
            self._streams.pop(stream.number, None)

    async def grant(self, stream: Stream, size: int) -> int:
        """How many of `size` bytes may be sent now, one at least. Raises ConnectionResetError where none ever will."""
        while self._windows and not stream.broken and min(stream.window, self._window) <= 0:
            await stream.change()
        if stream.broken:
            raise ConnectionResetError("the stream was reset")
        if self._windows:
            size = min(size, stream.window, self._window)
        stream.window -= size
        self._window -= size
        return size

    async def _handle(self, frame: Frame) -> None:
        match frame:
            case frames.Data():
                await self._receive(frame)
            case frames.SynStream():
                await self._open(frame)
            case frames.Ping():
                # Odd numbers are the client's, which it wants back.
                if frame.id % 2:
                    await self.send(frame)
            case frames.Reset():
                stream = self._streams.pop(frame.stream, None)
                if stream is not None:
                    stream.cut()
            case frames.WindowUpdate():
                self._grow(frame)
            case frames.Settings():
                self._set(dict(frame.values))
            case frames.MoreHeaders():
                if frame.fin and frame.stream in self._streams:
                    self._end(self._streams[frame.stream])
            case frames.GoAway() | frames.SynReply():
                # No new streams; those that are open go on. And we open none that could be replied to.
                return

    async def _open(self, frame: frames.SynStream) -> None:
        if frame.stream % 2 == 0 or frame.stream <= self._last:
            raise ProtocolError(f"stream {frame.stream} after {self._last}")
        self._last = frame.stream
        if len(self._streams) >= MAX_STREAMS:
            await self.send(frames.Reset(frame.stream, frames.REFUSED_STREAM))
            return
        stream = Stream(self, frame.stream, frame.headers, self._initial_window, ended=frame.fin)
        self._streams[frame.stream] = stream
        await self.send(frames.SynReply(frame.stream, {}))
        self._opened(stream)

    async def _receive(self, frame: frames.Data) -> None:
        stream = self._streams.get(frame.stream)
        if stream is not None:
            await stream.room()
            stream.receive(frame.data, frame.fin)
            self.forget(stream)
        # Of a stream that is closed data may still be on its way.
        self._received += len(frame.data)
        if self._received >= WINDOW // 2:
            received, self._received = self._received, 0
            await self.send(frames.WindowUpdate(0, received))

    def _end(self, stream: Stream) -> None:
        stream.receive(b"", fin=True)
        self.forget(stream)

    def _grow(self, frame: frames.WindowUpdate) -> None:
        self._windows = True
        if frame.stream:
            if frame.stream in self._streams:
                self._streams[frame.stream].shift_window(frame.delta)
            return
        self._window += frame.delta
        for stream in self._streams.values():
            stream.shift_window(0)

    def _set(self, values: dict[int, int]) -> None:
        if (window := values.get(frames.INITIAL_WINDOW_SETTING)) is None:
            return
        self._windows = True
        delta, self._initial_window = window - self._initial_window, window
        for stream in self._streams.values():
            stream.shift_window(delta)
