"""The gRPC Node service: what the API server asks of a node for its users.

Who may ask: holders of a certificate of the cluster's CA in the group system:masters. A listener without
TLS (tests, one process) trusts whoever reaches it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from kube_actors.aio.clock import Clock
from kube_actors.api.errors import Forbidden, Unauthorized, not_found
from kube_actors.node.config import NodeConfig
from kube_actors.node.machine.stats import Statistics
from kube_actors.node.pods.manager import PodManager
from kube_actors.node.runtime.interface import Runtime, Simulation
from kube_actors.node.streams.dial import dial
from kube_actors.node.streams.exec import attach, execute
from kube_actors.node.streams.logs import stream_logs
from kube_actors.node.streams.target import Targets
from kube_actors.rpc.pb import node_pb2 as pb
from kube_actors.rpc.server import Call, Listener, Server, Service

NODE = pb.DESCRIPTOR.services_by_name["Node"]
ALLOWED_GROUP = "system:masters"


class NodeServer:
    """Serves the streams of the pods of the nodes that were `put` into it. Without a listener it does nothing.

    `callers`: see NodeConfig.
    """

    def __init__(self, listener: Listener | None, callers: frozenset[str] | None, clock: Clock) -> None:
        self._clock, self._targets = clock, Targets()
        self._statistics: dict[str, Statistics] = {}
        self._open = listener is not None and listener.tls is None
        self._server = Server([listener], [Service(NODE, self, callers)]) if listener is not None else None

    def put(self, config: NodeConfig, pods: PodManager, runtime: Runtime) -> None:
        self._targets.put(config.name, pods, runtime)
        root = None if isinstance(runtime, Simulation) else config.root_dir
        self._statistics[config.name] = Statistics(config.name, runtime, lambda: pods.pods, root, self._clock.now())

    def drop(self, node: str) -> None:
        self._targets.drop(node)
        self._statistics.pop(node, None)

    @property
    def address(self) -> str:
        """HOST:PORT or unix:PATH, empty where nothing is served."""
        return self._server.addresses[0] if self._server is not None and self._server.addresses else ""

    @property
    def port(self) -> int:
        port = self.address.rpartition(":")[2]
        return int(port) if port.isdigit() else 0

    async def start(self) -> None:
        """Raises ConfigError where the address cannot be listened on."""
        if self._server is not None:
            await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()

    async def Logs(self, request: Any, call: Call) -> AsyncIterator[Any]:
        self._authorize(call)
        async for chunk in stream_logs(self._targets, request, self._clock.now()):
            yield chunk

    async def Exec(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        self._authorize(call)
        async for output in execute(self._targets, requests):
            yield output

    async def Attach(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        self._authorize(call)
        async for output in attach(self._targets, requests):
            yield output

    async def Dial(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        self._authorize(call)
        async for data in dial(self._targets, requests):
            yield data

    async def Stats(self, request: Any, call: Call) -> Any:
        self._authorize(call)
        if request.node not in self._statistics:
            raise not_found("nodes", "", request.node)
        body = await self._statistics[request.node].summary(self._clock.now())
        return pb.StatsResponse(summary=body)

    def _authorize(self, call: Call) -> None:
        if self._open:
            return
        if call.identity is None:
            raise Unauthorized("Unauthorized")
        if ALLOWED_GROUP not in call.identity.groups:
            raise Forbidden(f'user "{call.identity.user}" may not use the streams of nodes')
