"""pods/portforward, in each of the ways in which clients ask for it."""

from __future__ import annotations

import asyncio
import struct

from aiohttp import WSCloseCode, WSMsgType, web

from kube_actors.aio.tasks import Tasks
from kube_actors.api import errors
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.request import Request
from kube_actors.apiserver.rest import query
from kube_actors.apiserver.rest.connect import negotiating
from kube_actors.apiserver.rest.connect.forwarding import Forwarder, connect
from kube_actors.apiserver.rest.connect.negotiating import (
    ACCEPTED,
    SPDY,
    SPDY_PROTOCOLS,
    WEBSOCKET,
    WEBSOCKET_PROTOCOLS,
)
from kube_actors.apiserver.rest.connect.takeover import Taken, switching, take_over
from kube_actors.apiserver.rest.connect.websockets import accept, payload, send
from kube_actors.apiserver.rest.exchange import Answer, Exchange
from kube_actors.apiserver.streams import Streams
from kube_actors.apiserver.streams.streams import PodSession

FORWARD = "portforward.k8s.io"
TUNNEL = f"{SPDY}+{FORWARD}"
CHANNELS = {"v4.channel.k8s.io": False, "v4.base64.channel.k8s.io": True}
# Messages of one channel that wait for its connection before the client has to.
UNREAD = 16
_PORT = struct.Struct("<H")


class Ports:
    """Answers with an upgrade, or refuses with a Status."""

    def __init__(self, streams: Streams, operations: Operations) -> None:
        self._streams = streams
        self._operations = operations

    async def answer(self, exchange: Exchange, request: Request, verbs: tuple[str, ...]) -> Answer:
        pod = await self._streams.of_pod(request, verbs)
        await self._operations.connect(request, {"kind": "PodPortForwardOptions", "apiVersion": "v1"})
        upgrade = negotiating.upgrade_of(exchange.request)
        if upgrade == WEBSOCKET:
            return await self._websocket(exchange, pod)
        if upgrade == SPDY.lower():
            return await self._spdy(exchange, pod)
        raise negotiating.required()

    async def _websocket(self, exchange: Exchange, pod: PodSession) -> Answer:
        name = negotiating.choose(exchange.request, WEBSOCKET_PROTOCOLS, (TUNNEL, *CHANNELS), "")
        if name == TUNNEL:
            socket = await accept(exchange, name)
            await Forwarder(_Tunnel(socket), pod).run()
            await socket.close(code=WSCloseCode.OK)
        else:
            ports = _ports(exchange)
            socket = await accept(exchange, name)
            await _ChannelForwarder(socket, pod, ports, text=CHANNELS.get(name, False)).run()
        return Answer(b"", 101)

    async def _spdy(self, exchange: Exchange, pod: PodSession) -> Answer:
        try:
            negotiating.choose(exchange.request, SPDY_PROTOCOLS, (FORWARD,), FORWARD)
        except errors.Forbidden:
            exchange.headers[ACCEPTED] = FORWARD
            raise
        exchange.began(Taken())
        connection = take_over(exchange.request, switching(SPDY, [(SPDY_PROTOCOLS, FORWARD)]))
        try:
            await Forwarder(connection, pod).run()
        finally:
            await connection.close()
        return Answer(b"", 101)


class _Tunnel:
    """SPDY's bytes in the messages of a WebSocket, cut anywhere."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY and message.data:
                return bytes(message.data)
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return b""

    async def write(self, data: bytes) -> None:
        await self._socket.send_bytes(data)


class _ChannelForwarder:
    """Two channels a port, data and error; each begins with the port's number as two bytes, the low one first."""

    def __init__(self, socket: web.WebSocketResponse, pod: PodSession, ports: list[int], *, text: bool) -> None:
        self._socket = socket
        self._pod = pod
        self._ports = ports
        self._text = text
        self._pipes = [_ChannelPipe(self, 2 * index) for index in range(len(ports))]

    async def run(self) -> None:
        """Until the client has gone, or every connection has ended."""
        tasks = Tasks("port-forward")
        try:
            for index, port in enumerate(self._ports):
                for channel in (2 * index, 2 * index + 1):
                    await self.send(channel, _PORT.pack(port))
            reading = tasks.spawn(self._read(), "read")
            serving = tasks.spawn(self._serve(), "serve")
            await asyncio.wait((reading, serving), return_when=asyncio.FIRST_COMPLETED)
        except ConnectionError:
            return
        finally:
            await tasks.stop()
        await self._socket.close(code=WSCloseCode.OK)

    async def send(self, channel: int, data: bytes) -> None:
        await send(self._socket, channel, data, text=self._text)

    async def _read(self) -> None:
        async for message in self._socket:
            data = payload(message, text=self._text)
            channel = data[0] if data else 1
            if channel % 2 == 0 and channel // 2 < len(self._pipes) and len(data) > 1:
                await self._pipes[channel // 2].put(data[1:])

    async def _serve(self) -> None:
        await asyncio.gather(*(self._forward(index) for index in range(len(self._ports))))

    async def _forward(self, index: int) -> None:
        pipe = self._pipes[index]
        complaint = await connect(self._pod, str(self._ports[index]), pipe)
        pipe.close()
        if complaint:
            try:
                await self.send(2 * index + 1, complaint.encode())
            except ConnectionError:
                return


class _ChannelPipe:
    """A data channel; it ends with the WebSocket only."""

    def __init__(self, owner: _ChannelForwarder, channel: int) -> None:
        self._owner = owner
        self._channel = channel
        self._unread: asyncio.Queue[bytes] = asyncio.Queue(UNREAD)
        self._over = False

    async def put(self, data: bytes) -> None:
        if not self._over:
            await self._unread.put(data)

    def close(self) -> None:
        """What comes from now on is for nobody; whoever waits to put something need not."""
        self._over = True
        while not self._unread.empty():
            self._unread.get_nowait()

    async def read(self) -> bytes:
        return await self._unread.get()

    async def write(self, data: bytes) -> None:
        await self._owner.send(self._channel, data)

    async def end(self) -> None:
        return


def _ports(exchange: Exchange) -> list[int]:
    """The `ports` of the query. Raises BadRequest."""
    texts = [port for value in query.all_of(exchange.query_text, "ports") for port in value.split(",")]
    if not texts:
        raise errors.BadRequest('query parameter "port" is required')
    ports = []
    for text in texts:
        if not text:
            raise errors.BadRequest('query parameter "port" cannot be empty')
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
            raise errors.BadRequest(f'unable to parse "{text}" as a port')
        ports.append(int(text))
    if len(ports) > 127:
        raise errors.BadRequest("more ports than channels")
    return ports
