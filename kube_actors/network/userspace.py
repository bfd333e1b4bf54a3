"""Services without root: sockets on the service addresses themselves, relayed to endpoints.

It works where the service addresses are this machine's own, as all of 127.0.0.0/8 is on Linux. An
address and port without endpoints has no socket, so that a client is refused at once.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Mapping

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.network.relay import DatagramRelay, Half
from kube_actors.network.services import Endpoint, ServicePort

log = structlog.get_logger(__name__)

DIAL_SECONDS = 5.0
AFFINITY_LIMIT = 10_000

Address = tuple[str, str, int]  # ip, protocol, port


class UserspaceBackend:
    """One socket for each address of the table that has endpoints."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[Address, _Listener] = {}
        # Addresses that could not be opened; each is tried again with every table, and told of once.
        self._refused: set[Address] = set()

    async def start(self) -> None:
        """Nothing to prepare."""

    async def stop(self) -> None:
        for listener in self._open.values():
            await listener.close()
        self._open.clear()

    remove = stop

    async def apply(self, table: tuple[ServicePort, ...]) -> None:
        """Open, change and close sockets so that they are those of the table."""
        wanted = _targets(table)
        self._refused &= wanted.keys()
        for address in self._open.keys() - wanted.keys():
            await self._open.pop(address).close()
        for address, target in wanted.items():
            if address in self._open:
                self._open[address].balancer.update(*target)
                continue
            listener = _Listener(address, _Balancer(self._clock, *target))
            try:
                await listener.open()
            except OSError as error:
                self._tell_once(address, error)
                continue
            self._refused.discard(address)
            self._open[address] = listener

    def _tell_once(self, address: Address, error: OSError) -> None:
        if address in self._refused:
            return
        self._refused.add(address)
        ip, protocol, port = address
        reason = os.strerror(error.errno or 0)
        if isinstance(error, PermissionError):
            reason += "; ports below 1024 need root"
        log.warning("service has no socket", address=f"{ip}:{port}/{protocol}", error=reason)


def _targets(table: tuple[ServicePort, ...]) -> Mapping[Address, tuple[tuple[Endpoint, ...], int]]:
    """Where to listen -> who answers there, and the seconds of client affinity."""
    targets: dict[Address, tuple[tuple[Endpoint, ...], int]] = {}
    for service in table:
        for ip in service.cluster_ips:
            targets[ip, service.protocol, service.port] = (service.internal_endpoints, service.affinity_seconds)
        if service.node_port:
            node_port = ("0.0.0.0", service.protocol, service.node_port)
            targets[node_port] = (service.external_endpoints, service.affinity_seconds)
    return {address: target for address, target in targets.items() if target[0] and address[1] in ("TCP", "UDP")}


class _Balancer:
    """Who answers the next connection of a client: at random, or as last time within the affinity."""

    def __init__(self, clock: Clock, endpoints: tuple[Endpoint, ...], affinity_seconds: int) -> None:
        self._clock = clock
        self._endpoints, self._affinity_seconds = endpoints, affinity_seconds
        self._last: dict[str, tuple[Endpoint, float]] = {}

    def update(self, endpoints: tuple[Endpoint, ...], affinity_seconds: int) -> None:
        self._endpoints, self._affinity_seconds = endpoints, affinity_seconds

    def order(self, client: str) -> list[Endpoint]:
        """All endpoints, the one to try first in front."""
        shuffled = random.sample(self._endpoints, len(self._endpoints))
        if not self._affinity_seconds:
            return shuffled
        now = self._clock.now()
        endpoint, since = self._last.get(client, (None, 0.0))
        if endpoint in self._endpoints and now - since < self._affinity_seconds:
            shuffled.sort(key=lambda other: other != endpoint)
        return shuffled

    def remember(self, client: str, endpoint: Endpoint) -> None:
        if not self._affinity_seconds:
            return
        self._last.pop(client, None)
        self._last[client] = (endpoint, self._clock.now())
        if len(self._last) > AFFINITY_LIMIT:
            self._last.pop(next(iter(self._last)))

    def pick(self, client: str) -> tuple[str, int] | None:
        """The address of the first of `order`, remembered."""
        for endpoint in self.order(client):
            self.remember(client, endpoint)
            return endpoint.ip, endpoint.port
        return None


class _Listener:
    """The socket of one service address."""

    def __init__(self, address: Address, balancer: _Balancer) -> None:
        self.balancer = balancer
        self._ip, self._protocol, self._port = address
        self._tasks = Tasks(f"service {self._protocol} {self._ip}:{self._port}")
        self._server: asyncio.Server | None = None
        self._datagrams: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        where = (self._ip, self._port)
        if self._protocol == "UDP":
            relay = DatagramRelay(self.balancer.pick)
            self._datagrams, _ = await loop.create_datagram_endpoint(lambda: relay, local_addr=where)
        else:
            self._server = await loop.create_server(self._accept, *where, backlog=1024)

    async def close(self) -> None:
        """New connections are refused; those that run go on, as they do with kernel forwarding."""
        if self._server is not None:
            self._server.close()
        if self._datagrams is not None:
            self._datagrams.close()
        await self._tasks.stop()

    def _accept(self) -> Half:
        return _Accepted(self)

    def dial(self, client: Half) -> None:
        self._tasks.spawn(self._dial(client), "dial")

    async def _dial(self, client: Half) -> None:
        """Connect to an endpoint; where one does not answer, to the next."""
        assert client.transport is not None
        source = client.transport.get_extra_info("peername")[0]
        loop = asyncio.get_running_loop()
        for endpoint in self.balancer.order(source):
            try:
                async with asyncio.timeout(DIAL_SECONDS):
                    _, upstream = await loop.create_connection(Half, endpoint.ip, endpoint.port)
            except (OSError, TimeoutError):
                continue
            self.balancer.remember(source, endpoint)
            client.join(upstream)
            return
        client.transport.abort()


class _Accepted(Half):
    """A client's side; it dials as soon as it is connected."""

    def __init__(self, listener: _Listener) -> None:
        super().__init__()
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._listener.dial(self)
