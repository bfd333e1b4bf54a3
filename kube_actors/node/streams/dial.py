"""Connections to ports of pods, for port-forward and the API server's proxy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from kube_actors.aio.tasks import Tasks
from kube_actors.api.errors import BadRequest, Unavailable
from kube_actors.node.runtime.interface import Simulation
from kube_actors.node.streams.target import Targets
from kube_actors.rpc.pb import api_pb2 as pb

CHUNK = 64 * 1024
CONNECT_SECONDS = 10.0


async def dial(targets: Targets, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The first message names pod and port; an empty answer says that the connection stands."""
    opening = await _opening(requests)
    ref = opening.ref
    pod, view, runtime = await targets.pod(ref.namespace, ref.pod, ref.uid)
    if isinstance(runtime, Simulation) and not pod["spec"].get("hostNetwork"):
        raise Unavailable(f"pod {ref.pod} is simulated: it has no network that could be connected to")
    address = view.ip or str((pod.get("status") or {}).get("podIP") or "")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(address, opening.port)
    except (OSError, TimeoutError) as error:
        number = error.errno if isinstance(error, OSError) else None
        text = os.strerror(number).lower() if number else "connection timed out"
        raise Unavailable(f"dial tcp {address}:{opening.port}: connect: {text}") from error
    tasks = Tasks("dial")
    try:
        yield pb.DialData()
        if opening.data:
            writer.write(opening.data)
        tasks.spawn(_feed(writer, requests), "upstream")
        while data := await reader.read(CHUNK):
            yield pb.DialData(data=data)
        yield pb.DialData(closed=True)
    except ConnectionError:
        yield pb.DialData(closed=True)
    finally:
        # First, for whoever waits here may be cancelled.
        writer.close()
        await tasks.stop()
        with suppress(OSError):
            await writer.wait_closed()


async def _opening(requests: AsyncIterator[Any]) -> Any:
    async for request in requests:
        if request.ref.pod and request.port:
            return request
        break
    raise BadRequest("the first message of a connection has to name a pod and a port")


async def _feed(writer: asyncio.StreamWriter, requests: AsyncIterator[Any]) -> None:
    with suppress(ConnectionError):
        async for request in requests:
            if request.data:
                writer.write(request.data)
                await writer.drain()
            if request.closed:
                if writer.can_write_eof():
                    writer.write_eof()
                return
