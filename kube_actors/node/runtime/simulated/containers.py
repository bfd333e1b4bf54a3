"""The state of simulated pods and containers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from kube_actors.node.runtime.interface import ContainerRecord, ContainerSpec, ContainerState, PodRecord, SandboxSpec
from kube_actors.node.runtime.simulated.behaviour import Behaviour

KILLED = 137


@dataclass(slots=True)
class Container:
    """A container; `ended` is set when it has exited."""

    id: str
    uid: str
    spec: ContainerSpec
    behaviour: Behaviour
    created_at: float
    state: ContainerState = ContainerState.CREATED
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    oom_killed: bool = False
    log: list[tuple[float, bytes]] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def record(self) -> ContainerRecord:
        return ContainerRecord(
            id=self.id,
            name=self.spec.name,
            attempt=self.spec.attempt,
            state=self.state,
            image=self.spec.image,
            image_id=f"simulated://{self.spec.image}",
            created_at=self.created_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            exit_code=self.exit_code,
            oom_killed=self.oom_killed,
            spec_hash=self.spec.spec_hash,
            limits=self.spec.limits,
        )


@dataclass(slots=True)
class Sandbox:
    id: str
    spec: SandboxSpec
    created_at: float
    ready: bool = True
    containers: dict[str, Container] = field(default_factory=dict)

    def record(self) -> PodRecord:
        return PodRecord(
            sandbox_id=self.id,
            namespace=self.spec.namespace,
            name=self.spec.name,
            uid=self.spec.uid,
            attempt=self.spec.attempt,
            ready=self.ready,
            ip=self.spec.ip,
            created_at=self.created_at,
            containers=tuple(each.record() for each in self.containers.values()),
        )
