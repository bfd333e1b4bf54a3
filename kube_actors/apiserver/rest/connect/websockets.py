"""Remote commands over the channels of a WebSocket: each message begins with its channel's number.

Kubernetes: kubelet/pkg/cri/streaming/remotecommand/websocket.go, apimachinery/pkg/util/httpstream/wsstream.
"""

from __future__ import annotations

import base64
import binascii

from aiohttp import WSCloseCode, WSMsgType, web

from kube_actors.api import Obj, encoding
from kube_actors.apiserver.rest.connect.protocols import CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT, Protocol
from kube_actors.apiserver.rest.connect.remote import Write, resized, stdin, stdin_closed
from kube_actors.apiserver.rest.exchange import Exchange
from kube_actors.apiserver.streams import ExecOptions
from kube_actors.rpc.pb import api_pb2 as pb

MAX_MESSAGE = 4 << 20


async def accept(exchange: Exchange, name: str) -> web.WebSocketResponse:
    """Upgrade; `name` is the subprotocol, empty where the client offered none. Raises HTTPBadRequest."""
    socket = web.WebSocketResponse(protocols=(name,) if name else (), max_msg_size=MAX_MESSAGE, compress=False)
    await socket.prepare(exchange.request)
    exchange.began(socket)
    return socket


class WebSocketChannels:
    """The five channels of a remote command."""

    def __init__(self, socket: web.WebSocketResponse, protocol: Protocol, options: ExecOptions) -> None:
        self._socket = socket
        self._protocol = protocol
        self._options = options

    async def greet(self) -> None:
        """An empty message on the lowest channel that is written: the connection stands."""
        options = self._options
        await self.send(STDOUT if options.stdout else STDERR if options.separate_stderr else ERROR, b"")

    async def send(self, channel: int, data: bytes) -> None:
        await send(self._socket, channel, data, text=self._protocol.base64)

    async def feed(self, write: Write) -> None:
        async for message in self._socket:
            data = payload(message, text=self._protocol.base64)
            if not data:
                continue
            channel, content = data[0], data[1:]
            if channel == STDIN and self._options.stdin and content:
                await write(stdin(content))
            elif channel == CLOSE and self._protocol.closes and content[:1] == bytes([STDIN]):
                await write(stdin_closed())
            elif channel == RESIZE and self._options.tty and (size := _size(content)) is not None:
                await write(size)

    async def finish(self, status: Obj) -> None:
        if text := self._protocol.error(status):
            await self.send(ERROR, text)
        await self._socket.close(code=WSCloseCode.OK)


async def send(socket: web.WebSocketResponse, channel: int, data: bytes, *, text: bool) -> None:
    """Raises ConnectionError where the client has gone."""
    if socket.closed:
        raise ConnectionResetError("the client has gone")
    if text:
        await socket.send_str(f"{channel}{base64.b64encode(data).decode()}")
    else:
        await socket.send_bytes(bytes([channel]) + data)


def payload(message: object, *, text: bool) -> bytes:
    """A message as channel number and content, empty for one that is broken."""
    kind, data = getattr(message, "type", None), getattr(message, "data", b"")
    if kind not in (WSMsgType.TEXT, WSMsgType.BINARY):
        return b""
    raw = data.encode() if isinstance(data, str) else bytes(data)
    if not text:
        return raw
    if not raw[:1].isdigit():
        return b""
    try:
        return bytes([raw[0] - ord("0")]) + base64.b64decode(raw[1:])
    except binascii.Error:
        return b""


def _size(content: bytes) -> pb.ExecInput | None:
    try:
        return resized(encoding.loads(content))
    except ValueError:
        return None
