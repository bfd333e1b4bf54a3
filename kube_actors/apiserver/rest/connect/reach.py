"""Connections to what a proxy leads to: a pod through the agent of its node, or an address of the cluster's network.

Either is a socket, so that HTTP, TLS and whatever follows an upgrade can be spoken over it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from kube_actors.aio.tasks import Tasks
from kube_actors.api import errors
from kube_actors.apiserver.rest.connect.pump import StreamPipe, pump
from kube_actors.apiserver.streams.streams import PodSession

CONNECT_SECONDS = 10.0

Dial = Callable[[Tasks], Awaitable[socket.socket]]


@dataclass(frozen=True, slots=True)
class Location:
    """What is proxied: its scheme, its host and port for the words of errors and links, and how to get there."""

    scheme: str
    host: str
    dial: Dial


def through_node(pod: PodSession, port: int) -> Dial:
    """A port of a pod. Raises ApiErrors."""

    async def dial(tasks: Tasks) -> socket.socket:
        connection = await pod.dial(port)
        try:
            ours, theirs = socket.socketpair()
            reader, writer = await asyncio.open_connection(sock=theirs)
        except BaseException:
            connection.cancel()
            raise

        def ended(_: object) -> None:
            # Also of a task that is cancelled before it has begun.
            writer.close()
            connection.cancel()

        tasks.spawn(pump(connection, StreamPipe(reader, writer)), "carry").add_done_callback(ended)
        return ours

    return dial


def directly(host: str, port: int) -> Dial:
    """An address that is no pod's. Raises BadRequest for one of this machine's own, Unavailable for a dead one."""
    if not _allowed(host):
        raise errors.BadRequest("address not allowed")

    async def dial(tasks: Tasks) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(connection, (host, port))
        except (OSError, TimeoutError) as error:
            connection.close()
            raise errors.Unavailable(f"dial tcp {host}:{port}: connect: {error}") from error
        return connection

    return dial


def unverified() -> ssl.SSLContext:
    """Pods and services show certificates of their own making; Kubernetes does not verify them either."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Connector(aiohttp.BaseConnector):
    """aiohttp's client over the sockets that `dial` makes, one for each request."""

    def __init__(self, location: Location, tasks: Tasks) -> None:
        super().__init__(force_close=True)
        self._location = location
        self._tasks = tasks

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> ResponseHandler:
        connection = await self._location.dial(self._tasks)
        secure = self._location.scheme == "https"
        _, protocol = await asyncio.get_running_loop().create_connection(
            self._factory,
            sock=connection,
            ssl=unverified() if secure else None,
            server_hostname="" if secure else None,
        )
        return protocol


def _allowed(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified)
