"""Remote commands over SPDY: a stream a channel, named by its header `streamtype`.

Kubernetes: kubelet/pkg/cri/streaming/remotecommand/httpstream.go.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj, errors
from kube_actors.apiserver.rest.connect.protocols import STDERR, STDOUT, Protocol
from kube_actors.apiserver.rest.connect.remote import Write, resized, stdin, stdin_closed
from kube_actors.apiserver.rest.connect.takeover import Upgraded
from kube_actors.apiserver.spdy import ProtocolError, Session, Stream
from kube_actors.apiserver.streams import ExecOptions

# Kubernetes: kubelet's streamCreationTimeout.
OPEN_SECONDS = 30.0
# A client shows that it has read the end by going; one that does not is left after this time.
LINGER_SECONDS = 5.0
# A terminal's size as JSON takes far less.
MAX_SIZE_TEXT = 4096


class SpdyChannels:
    """Between `start` and `stop`."""

    def __init__(self, connection: Upgraded, protocol: Protocol, options: ExecOptions) -> None:
        self._connection = connection
        self._protocol = protocol
        self._options = options
        self._session = Session(connection, self._opened)
        self._streams: dict[str, Stream] = {}
        self._arrived = asyncio.Event()
        self._gone = asyncio.Event()
        self._tasks = Tasks("spdy")

    async def start(self) -> None:
        """Returns when the client has opened every stream. Raises BadRequest where it does not."""
        self._tasks.spawn(self._run(), "read")
        wanted = self._wanted()
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                while not wanted <= self._streams.keys() and not self._gone.is_set():
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise errors.BadRequest("timed out waiting for client to create streams") from None

    async def stop(self) -> None:
        await self._tasks.stop()
        await self._connection.close()

    async def send(self, channel: int, data: bytes) -> None:
        name = {STDOUT: "stdout", STDERR: "stderr"}[channel]
        if (stream := self._streams.get(name)) is not None:
            await stream.write(data)

    async def feed(self, write: Write) -> None:
        if self._options.stdin and "stdin" in self._streams:
            self._tasks.spawn(_pump_stdin(self._streams["stdin"], write), "stdin")
        if self._options.tty and "resize" in self._streams:
            self._tasks.spawn(_pump_sizes(self._streams["resize"], write), "resize")
        await self._gone.wait()

    async def finish(self, status: Obj) -> None:
        with suppress(ConnectionError):
            for name in ("stdout", "stderr"):
                if name in self._streams:
                    await self._streams[name].close()
            error = self._streams["error"]
            if text := self._protocol.error(status):
                await error.write(text)
            await error.close()
            await self._session.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), LINGER_SECONDS)

    async def _run(self) -> None:
        try:
            await self._session.run()
        except (ConnectionError, ProtocolError):
            pass
        finally:
            self._gone.set()
            self._arrived.set()

    def _opened(self, stream: Stream) -> None:
        self._streams.setdefault(stream.headers.get("streamtype", ""), stream)
        self._arrived.set()

    def _wanted(self) -> set[str]:
        options = self._options
        wanted = {"error"}
        wanted |= {"stdin"} if options.stdin else set()
        wanted |= {"stdout"} if options.stdout else set()
        wanted |= {"stderr"} if options.separate_stderr else set()
        wanted |= {"resize"} if options.tty and self._protocol.resizes else set()
        return wanted


async def _pump_stdin(stream: Stream, write: Write) -> None:
    with suppress(ConnectionError):
        while data := await stream.read():
            await write(stdin(data))
        await write(stdin_closed())


async def _pump_sizes(stream: Stream, write: Write) -> None:
    """JSON objects, one after the other, in pieces of any size."""
    text, decoder = "", json.JSONDecoder()
    with suppress(ConnectionError):
        while data := await stream.read():
            text = (text + data.decode("utf-8", "replace")).lstrip()
            while text:
                try:
                    found, end = decoder.raw_decode(text)
                except ValueError:
                    break
                text = text[end:].lstrip()
                if (size := resized(found)) is not None:
                    await write(size)
            if len(text) > MAX_SIZE_TEXT:
                return
