"""pods/portforward: each connection of the client to a port of the pod is one stream of the node agent.

Over SPDY a connection is a pair of streams with one `requestid`: `data`, and `error` for the text of a failure.
kubectl sends SPDY through a WebSocket. Over WebSocket channels (client libraries) the query names the ports and each
has two channels. Kubernetes: kubelet/pkg/cri/streaming/portforward, apimachinery/pkg/util/portforward.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from kube_actors.aio.tasks import Tasks
from kube_actors.api import errors
from kube_actors.apiserver.rest.connect.pump import Pipe, pump
from kube_actors.apiserver.spdy import ProtocolError, Session, Stream, Transport
from kube_actors.apiserver.streams.streams import PodSession

# Kubernetes: kubelet's streamCreationTimeout.
PAIR_SECONDS = 30.0


@dataclass(slots=True)
class _Pair:
    """The two streams of a connection, as they come."""

    data: Stream | None = None
    error: Stream | None = None


class Forwarder:
    """Serves the connections of one SPDY session."""

    def __init__(self, transport: Transport, pod: PodSession) -> None:
        self._pod = pod
        self._session = Session(transport, self._opened)
        self._pairs: dict[str, _Pair] = {}
        self._tasks = Tasks("port-forward")

    async def run(self) -> None:
        """Until the client has gone."""
        try:
            await self._session.run()
        except (ConnectionError, ProtocolError):
            return
        finally:
            await self._tasks.stop()

    def _opened(self, stream: Stream) -> None:
        kind = stream.headers.get("streamtype", "")
        if kind not in ("data", "error"):
            self._tasks.spawn(stream.reset(), "refuse")
            return
        key = _key(stream, kind)
        pair = self._pairs.setdefault(key, _Pair())
        setattr(pair, kind, stream)
        if pair.data is not None and pair.error is not None:
            del self._pairs[key]
            self._tasks.spawn(self._forward(pair.data, pair.error), "forward")
        else:
            self._tasks.spawn(self._expire(key, pair, stream), "pair")

    async def _expire(self, key: str, pair: _Pair, stream: Stream) -> None:
        """A stream whose other half does not come is refused."""
        await asyncio.sleep(PAIR_SECONDS)
        if self._pairs.get(key) is pair:
            del self._pairs[key]
            await _quietly(stream.reset())

    async def _forward(self, data: Stream, error: Stream) -> None:
        complaint = await connect(self._pod, data.headers.get("port", ""), _StreamPipe(data))
        if complaint:
            await _quietly(error.write(complaint.encode()))
        await _quietly(error.close())
        await _quietly(data.reset() if complaint else data.close())


async def connect(pod: PodSession, port: str, pipe: Pipe) -> str:
    """Carry one connection until it has ended; what went wrong, or empty."""
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        return f'unable to parse "{port}" as a port'
    try:
        connection = await pod.dial(int(port))
    except errors.KubeActorsError as error:
        text = getattr(error, "message", str(error))
        return f"error forwarding port {port} to pod {pod.ref.pod}, uid {pod.ref.uid}: {text}"
    await pump(connection, pipe)
    return ""


class _StreamPipe:
    def __init__(self, stream: Stream) -> None:
        self.read = stream.read
        self.write = stream.write
        self.end = stream.close


def _key(stream: Stream, kind: str) -> str:
    """Clients of before Kubernetes 1.4 send no id: their data stream is the one after the error stream."""
    known = stream.headers.get("requestid")
    if known is not None:
        return known
    return f"#{stream.number if kind == 'error' else stream.number - 2}"


async def _quietly(work: object) -> None:
    with suppress(ConnectionError):
        await work  # type: ignore[misc]
