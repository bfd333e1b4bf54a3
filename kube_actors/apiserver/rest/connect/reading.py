"""A stream of bytes to a client that asked for it over a WebSocket, as for a log in a browser.

Kubernetes: apimachinery/pkg/util/httpstream/wsstream/stream.go.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import WSCloseCode

from kube_actors.aio.tasks import Tasks
from kube_actors.apiserver.rest.connect.negotiating import WEBSOCKET_PROTOCOLS, choose
from kube_actors.apiserver.rest.connect.websockets import accept
from kube_actors.apiserver.rest.exchange import Answer, Exchange

BINARY, BASE64 = "binary.k8s.io", "base64.binary.k8s.io"


async def stream_to_socket(exchange: Exchange, chunks: AsyncIterator[bytes]) -> Answer:
    """One message a chunk; the stream ends with whichever side ends first."""
    tasks = Tasks("stream")
    try:
        name = choose(exchange.request, WEBSOCKET_PROTOCOLS, (BINARY, BASE64), "")
        socket = await accept(exchange, name)

        async def send() -> None:
            with suppress(ConnectionError):
                async for chunk in chunks:
                    if name == BASE64:
                        await socket.send_str(base64.b64encode(chunk).decode())
                    else:
                        await socket.send_bytes(chunk)
                await socket.close(code=WSCloseCode.OK)

        sending = tasks.spawn(send(), "send")
        # What the client sends is for nobody; that it has gone is for us.
        async for _ in socket:
            continue
        await socket.close()
        sending.cancel()
    finally:
        await tasks.stop()
        await chunks.aclose()  # type: ignore[attr-defined]
    return Answer(b"", 101)
