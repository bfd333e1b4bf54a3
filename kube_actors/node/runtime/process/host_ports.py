"""Ports of the machine that lead to a pod: hostPort in a manifest.

A pod listens at its own loopback address. Who comes to the machine's port is carried there by the agent, so that a
host port answers while the agent runs, and again after its restart. TCP only.

We listen at each address of the machine and not at all of them at once: at "all" nobody else could listen, and a
pod's own port is often the same number.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import structlog

from kube_actors.aio.tasks import Tasks
from kube_actors.node.runtime.interface import PortMapping, RuntimeFailure

log = structlog.get_logger(__name__)

EVERYWHERE = ("", "0.0.0.0")
_CHUNK = 64 * 1024


class HostPorts:
    """The listeners of all pods, by uid."""

    def __init__(self) -> None:
        self._servers: dict[str, list[asyncio.Server]] = {}
        self._tasks = Tasks("host ports")

    async def open(self, uid: str, ip: str, mappings: Sequence[PortMapping]) -> None:
        """Lead the pod's host ports to it. Raises RuntimeFailure where one is in use. If it fails, none is open."""
        self.close(uid)
        with ExitStack() as undo:
            undo.callback(self.close, uid)
            await self._open(uid, ip, mappings)
            undo.pop_all()

    async def _open(self, uid: str, ip: str, mappings: Sequence[PortMapping]) -> None:
        servers = self._servers[uid] = []
        for mapping in mappings:
            if mapping.protocol != "TCP":
                log.warning("host port is not served", pod=uid, port=mapping.host_port, protocol=mapping.protocol)
                continue
            for address in local_addresses() if mapping.host_ip in EVERYWHERE else [mapping.host_ip]:
                try:
                    servers.append(await self._bind(address, mapping, ip))
                    # Only now, that somebody knows of it: whoever is cancelled here closes it.
                    await servers[-1].start_serving()
                except OSError as error:
                    why = f"host port {address}:{mapping.host_port} cannot be had: {error.strerror or error}"
                    raise RuntimeFailure(why, "CreatePodSandboxError") from error

    def close(self, uid: str) -> None:
        for server in self._servers.pop(uid, ()):
            server.close()

    async def stop(self) -> None:
        for uid in list(self._servers):
            self.close(uid)
        await self._tasks.stop()

    async def _bind(self, address: str, mapping: PortMapping, ip: str) -> asyncio.Server:
        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            where = f"{ip}:{mapping.container_port}"
            self._tasks.spawn(_carry(reader, writer, ip, mapping.container_port), f"connection to {where}")

        return await asyncio.start_server(accepted, address, mapping.host_port, start_serving=False)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ip: str, port: int) -> None:
    """Both directions of one connection, each to its end."""
    try:
        with suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection(ip, port)
            try:
                await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
            finally:
                inner_writer.close()
    finally:
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def local_addresses(trie: Path = Path("/proc/net/fib_trie")) -> list[str]:
    """127.0.0.1, and the addresses that the machine has in networks."""
    found = {"127.0.0.1": None}
    before = ""
    with suppress(OSError):
        for line in trie.read_text().splitlines():
            words = line.split()
            if words[-3:] == ["/32", "host", "LOCAL"] and not ipaddress.ip_address(before).is_loopback:
                found[before] = None
            before = words[-1] if words else ""
    return list(found)
