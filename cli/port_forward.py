"""kactl port-forward: ports of this machine that lead to ports of a pod."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass

from kube_actors.aio.tasks import Tasks
from kube_actors.api.errors import ApiError
from kube_actors.client.client import KubeClient
from kube_actors.cluster import loop
from kube_actors.rpc.channel import Conversation
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2 as pb

from . import session
from .failure import usage
from .scope import DEFAULT_NAMESPACE

CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ports:
    """`local` 0: any."""

    local: int
    remote: int


def run(arguments: argparse.Namespace) -> int:
    return loop.run(port_forward(arguments))


async def port_forward(arguments: argparse.Namespace) -> int:
    """Until it is interrupted."""
    pairs = [parse(text) for text in arguments.ports]
    namespace = arguments.namespace or DEFAULT_NAMESPACE
    pod = arguments.pod.removeprefix("pod/").removeprefix("pods/")
    async with session.client(arguments) as client:
        servers = [await _listen(client, namespace, pod, pair, arguments.address) for pair in pairs]
        await asyncio.gather(*(server.serve_forever() for server in servers))
    return 0


def parse(text: str) -> Ports:
    """[LOCAL:]REMOTE; an empty LOCAL is any. Raises Failure."""
    local, colon, remote = text.rpartition(":")
    if not (remote.isdigit() and 0 < int(remote) < 65536 and (not local or (local.isdigit() and int(local) < 65536))):
        raise usage(f"invalid port format {text!r}: expected [LOCAL:]REMOTE")
    return Ports(int(local or 0) if colon else int(remote), int(remote))


async def _listen(client: KubeClient, namespace: str, pod: str, pair: Ports, address: str) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            connection = await client.port_forward(namespace, pod, pair.remote)
            await _carry(connection, reader, writer)
        except (ApiError, RpcError) as error:
            print(f"error: port {pair.remote} of pod {pod}: {error}", file=sys.stderr, flush=True)
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(serve, address, pair.local)
    except OSError as error:
        raise usage(f"cannot listen on {address}:{pair.local}: {error.strerror}") from error
    host, port = server.sockets[0].getsockname()[:2]
    print(f"Forwarding from {host}:{port} -> {pair.remote}", flush=True)
    return server


async def _carry(connection: Conversation, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async def upward() -> None:
        with suppress(RpcError, ConnectionError):
            while data := await reader.read(CHUNK):
                await connection.write(pb.DialData(data=data))
            await connection.write(pb.DialData(closed=True))

    tasks = Tasks("port-forward")
    tasks.spawn(upward(), "upward")
    try:
        with suppress(ConnectionError):
            async for message in connection:
                if message.closed:
                    # A word of ours that crosses with the end of the stream would be reported as a failure.
                    return
                writer.write(message.data)
                await writer.drain()
    finally:
        await tasks.stop()
        connection.cancel()
