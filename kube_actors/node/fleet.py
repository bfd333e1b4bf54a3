"""Many nodes in one process: agents that share what there is to share.

    one watch of all pods ──(spec.nodeName)──> NodeAgent node-1 ──┐
    one watch of all Nodes ───────────────────> ...               ├──> one client, another one for heartbeats
    one event recorder, one server of streams   NodeAgent node-N ─┘

Each agent is the one that a machine of its own would have: its own pod workers, runtime, status and lease. The
nodes join a few at a time, and from then on their leases and statuses are spread over time as they joined.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import structlog

from kube_actors.aio.clock import Clock, SystemClock, TickingClock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.meta import uid_of
from kube_actors.api.resources import NODES, PODS
from kube_actors.client.events import EventRecorder
from kube_actors.client.informer import Handler, Informer
from kube_actors.client.interface import Client
from kube_actors.node.agent import NodeAgent
from kube_actors.node.config import NodeConfig
from kube_actors.node.machine.facts import read_machine
from kube_actors.node.runtime.interface import Runtime
from kube_actors.node.server import NodeServer
from kube_actors.node.surroundings import Surroundings
from kube_actors.rpc.server import Listener

log = structlog.get_logger(__name__)

# Nodes that register at once: the API server has the leases of those that are there to take as well.
JOINING = 64
# Seconds between two batches of leases: some hundreds in one message cost half of what they cost one by one.
TICK = 0.5
ON_NODE = "node"

MakeRuntime = Callable[[NodeConfig], Runtime]


class Fleet:
    """The agents of `configs`, whose listeners are not used: `listener` serves the streams of all pods.

    Crash contract: that of NodeAgent, for each node. Both clients must be started and outlive the fleet;
    `heartbeat` is for Nodes and leases alone, so that no flood of pods makes a lease late.
    """

    def __init__(
        self,
        configs: Sequence[NodeConfig],
        client: Client,
        heartbeat: Client,
        make_runtime: MakeRuntime,
        *,
        root_dir: Path,
        listener: Listener | None = None,
        callers: frozenset[str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._configs = {config.name: config for config in configs}
        self._client, self._heartbeat, self._make_runtime = client, heartbeat, make_runtime
        self._clock = clock or SystemClock()
        self._pulse = TickingClock(self._clock, TICK)
        self._machine = read_machine(root_dir)
        self._tasks = Tasks("fleet")
        self._pods = Informer(client, PODS, fields="spec.nodeName!=", indexers={ON_NODE: _node_of}, clock=self._clock)
        self._nodes = Informer(heartbeat, NODES, clock=self._clock)
        self._recorder = EventRecorder(client, "kubelet", clock=self._clock)
        self._server = NodeServer(listener, callers, self._clock)
        self._router = Router(self._pods)
        self.agents: dict[str, NodeAgent] = {}

    async def start(self) -> None:
        """Returns when the fleet serves; its nodes join one after the other. Raises ConfigError."""
        await self._server.start()
        await self._recorder.start()
        self._pods.add_handler(self._router)
        await self._pods.start()
        await self._nodes.start()
        self._tasks.spawn(self._join_all(), "join")

    async def stop(self) -> None:
        await self._tasks.stop()
        await asyncio.gather(*(agent.stop() for agent in self.agents.values()))
        self.agents.clear()
        await self._nodes.stop()
        await self._pods.stop()
        await self._recorder.stop()
        await self._server.stop()

    async def begin(self, name: str) -> None:
        """Start one node, as when its machine boots: its runtime is empty. Raises KeyError where there is none."""
        config = self._configs[name]
        agent = self.agents[name] = NodeAgent(
            config, self._client, self._make_runtime(config), self._clock, self._surroundings(name)
        )
        await agent.start()

    async def end(self, name: str) -> None:
        """Stop one node, as when its machine goes down: nobody renews its lease any more."""
        agent = self.agents.pop(name, None)
        if agent is not None:
            await agent.stop()

    async def _join_all(self) -> None:
        names = iter(self._configs)
        await asyncio.gather(*(self._join(names) for _ in range(JOINING)))
        log.info("all nodes of the fleet have registered", nodes=len(self._configs))

    async def _join(self, names: Iterable[str]) -> None:
        for name in names:
            await self.begin(name)
            await self.agents[name].registered()

    def _surroundings(self, name: str) -> Surroundings:
        return Surroundings(
            machine=self._machine,
            pods=self._router.source(name),
            recorder=self._recorder.on(name),
            server=self._server,
            heartbeat=self._heartbeat,
            pulse=self._pulse,
            known_node=lambda: self._nodes.get(name),
        )


class Router:
    """Hears of all pods and tells each node of its own."""

    def __init__(self, pods: Informer) -> None:
        self._pods = pods
        self._handlers: dict[str, Handler] = {}

    def source(self, node: str) -> NodePods:
        """The pods of one node."""
        return NodePods(self, node)

    def put(self, node: str, handler: Handler) -> None:
        self._handlers[node] = handler
        for pod in self._pods.by_index(ON_NODE, node):
            handler.on_add(pod, True)

    def drop(self, node: str) -> None:
        self._handlers.pop(node, None)

    async def synced(self) -> None:
        await self._pods.synced()

    def on_add(self, obj: Obj, is_initial: bool) -> None:
        handler = self._handler(obj)
        if handler is not None:
            handler.on_add(obj, is_initial)

    def on_update(self, old: Obj, new: Obj) -> None:
        before, handler = self._handler(old), self._handler(new)
        if before is not handler or uid_of(old) != uid_of(new):
            # Another pod of the same name, perhaps elsewhere.
            if before is not None:
                before.on_delete(old)
            self.on_add(new, False)
        elif handler is not None:
            handler.on_update(old, new)

    def on_delete(self, obj: Obj) -> None:
        handler = self._handler(obj)
        if handler is not None:
            handler.on_delete(obj)

    def _handler(self, pod: Obj) -> Handler | None:
        return self._handlers.get(str(pod["spec"].get("nodeName") or ""))


class NodePods:
    """The PodSource of one node. Its watch is the router's."""

    def __init__(self, router: Router, node: str) -> None:
        self._router, self._node = router, node

    def add_handler(self, handler: Handler) -> None:
        self._router.put(self._node, handler)

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self._router.drop(self._node)

    async def synced(self) -> None:
        await self._router.synced()


def _node_of(pod: Obj) -> Iterable[str]:
    return (str(pod["spec"].get("nodeName") or ""),)
