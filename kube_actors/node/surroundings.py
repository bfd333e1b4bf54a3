"""What a node agent works in: things of its own, or those that it shares with the other agents of a fleet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kube_actors.aio.clock import Clock
from kube_actors.api import Obj
from kube_actors.api.resources import PODS
from kube_actors.client.events import EventRecorder, Recorder
from kube_actors.client.informer import Handler, Informer
from kube_actors.client.interface import Client
from kube_actors.node.config import NodeConfig
from kube_actors.node.machine.facts import Machine, read_machine
from kube_actors.node.server import NodeServer


class PodSource(Protocol):
    """Tells a handler of the pods of one node; see Informer."""

    def add_handler(self, handler: Handler) -> None: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def synced(self) -> None: ...


class Part(Protocol):
    """Something that lives as long as the agent."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`heartbeat` is the client for Node and lease, and `pulse` the clock for them.

    `known_node` gives the Node as a cache has it, None where it has to be read. `parts` are the agent's own, to
    start and to stop.
    """

    machine: Machine
    pods: PodSource
    recorder: Recorder
    server: NodeServer
    heartbeat: Client
    pulse: Clock
    known_node: Callable[[], Obj | None] = lambda: None
    parts: tuple[Part, ...] = ()


def own(config: NodeConfig, client: Client, clock: Clock) -> Surroundings:
    """Those of an agent that is alone."""
    return Surroundings(
        machine=read_machine(config.root_dir),
        pods=Informer(client, PODS, fields=f"spec.nodeName={config.name}", clock=clock),
        recorder=(recorder := EventRecorder(client, "kubelet", config.name, clock)),
        server=(server := NodeServer(config.listener, config.callers, clock)),
        heartbeat=client,
        pulse=clock,
        parts=(server, recorder),
    )
