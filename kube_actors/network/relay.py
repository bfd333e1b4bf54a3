"""Moving bytes between two connections, with backpressure, and datagrams between two sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import cast

IDLE_UDP_SECONDS = 60.0
# Clients that one UDP service remembers at a time.
UDP_CLIENTS = 4096

Pick = Callable[[str], tuple[str, int] | None]


class Half(asyncio.Protocol):
    """One side of a relayed TCP connection. What it receives goes to its peer; where it ends, so does that.

    A side that says it will send no more (FIN) closes only that direction, as TCP does.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._peer: Half | None = None
        self._early: list[bytes] = []
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def join(self, peer: Half) -> None:
        """Make the two sides one connection; what came before is passed on."""
        self._peer, peer._peer = peer, self
        for side in (self, peer):
            if side.transport is None or side.transport.is_closing():
                side._close_both()
                return
        for side in (self, peer):
            side._pass_on_early()

    def data_received(self, data: bytes) -> None:
        if self._peer is None:
            self._early.append(data)
            self._pause()
        elif self._peer.transport is not None:
            self._peer.transport.write(data)

    def eof_received(self) -> bool:
        self._ended = True
        if self._peer is not None:
            self._pass_on_end()
        return True

    def pause_writing(self) -> None:
        if self._peer is not None:
            self._peer._pause()

    def resume_writing(self) -> None:
        if self._peer is not None:
            self._peer._resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._close_both()

    def _pass_on_early(self) -> None:
        assert self._peer is not None
        assert self._peer.transport is not None
        for data in self._early:
            self._peer.transport.write(data)
        self._early.clear()
        if self._ended:
            self._pass_on_end()
        self._resume()

    def _pass_on_end(self) -> None:
        assert self._peer is not None
        if self._peer._ended:
            self._close_both()
        elif self._peer.transport is not None and not self._peer.transport.is_closing():
            self._peer.transport.write_eof()

    def _pause(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def _resume(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def _close_both(self) -> None:
        """`close` sends what is still buffered before it ends the connection."""
        for side in (self, self._peer):
            if side is not None and side.transport is not None:
                side.transport.close()


class DatagramRelay(asyncio.DatagramProtocol):
    """A UDP service: each client address gets a socket of its own to one endpoint, until it is idle."""

    def __init__(self, pick: Pick) -> None:
        self._pick = pick
        self._transport: asyncio.DatagramTransport | None = None
        self._upstreams: dict[tuple[str, int], _Upstream] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        upstream = self._upstreams.get(addr) or self._open(addr)
        if upstream is not None:
            upstream.send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        for upstream in list(self._upstreams.values()):
            upstream.close()

    def _open(self, client: tuple[str, int]) -> _Upstream | None:
        target = self._pick(client[0])
        if target is None or self._transport is None or len(self._upstreams) >= UDP_CLIENTS:
            return None
        transport = self._transport
        upstream = _Upstream(
            target,
            answer=lambda data: transport.sendto(data, client),
            closed=lambda: self._upstreams.pop(client, None),
        )
        self._upstreams[client] = upstream
        return upstream


class _Upstream:
    """The socket of one client of a UDP service. A connected UDP socket needs no waiting to open."""

    def __init__(
        self, target: tuple[str, int], answer: Callable[[bytes], object], closed: Callable[[], object]
    ) -> None:
        self._answer, self._closed = answer, closed
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(target)
        self._loop.add_reader(self._socket, self._readable)
        self._idle = self._loop.call_later(IDLE_UDP_SECONDS, self.close)

    def send(self, data: bytes) -> None:
        # A datagram that the kernel cannot take now is lost, as datagrams may be.
        with contextlib.suppress(OSError):
            self._socket.send(data)
        self._idle.cancel()
        self._idle = self._loop.call_later(IDLE_UDP_SECONDS, self.close)

    def close(self) -> None:
        if self._socket.fileno() < 0:
            return
        self._idle.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._closed()

    def _readable(self) -> None:
        try:
            self._answer(self._socket.recv(65_535))
        except BlockingIOError:
            return
        except OSError:  # the endpoint is gone; the next datagram draws another
            self.close()
