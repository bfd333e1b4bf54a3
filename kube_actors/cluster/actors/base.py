"""What the shells share."""

from __future__ import annotations

import os
from typing import ClassVar

from kube_actors.cluster import logs
from kube_actors.cluster.actors.thread import ComponentThread
from kube_actors.cluster.group import Group
from kube_actors.cluster.pki import Pki
from kube_actors.cluster.plan import ClusterPlan

HEALTH_SECONDS = 5.0
DRAIN_SECONDS = 45.0


class ComponentActor:
    """A shell. The constructor returns when the component serves; a crash runs it again.

    A call that fails by a crash means "maybe"; all of them may be repeated. No method may be `async def`:
    one alone would make Ray run all of them, and the constructor, in a loop of its own.
    """

    component: ClassVar[str]

    def __init__(self, plan: ClusterPlan, node: str, which: str = "") -> None:
        """`node` is the master or the node agent that it stands for, `which` the one of several there."""
        self._plan = plan
        self._node = node
        self._which = which
        component = which or self.component
        name = f"{component}@{node}"
        plan.paths.make()
        logs.configure(file=plan.paths.logs / f"{name}.log", as_json=True, component=component, node=node)
        self._thread = ComponentThread(name, lambda: self._make(Pki.open(plan.paths.pki)))
        self._thread.start()

    def __repr__(self) -> str:
        return f"{type(self).__name__}[{f'{self._which}@' if self._which else ''}{self._node}]"

    def health(self) -> int:
        """The process id, when the component's loop turns. Raises TimeoutError when it is stuck."""
        self._thread.call(_breathe, HEALTH_SECONDS)
        return os.getpid()

    def drain(self) -> None:
        """Stop the component in order, as the last call before the actor is killed."""
        self._thread.stop(DRAIN_SECONDS)

    def _make(self, pki: Pki) -> list[Group]:
        raise NotImplementedError


async def _breathe() -> None:
    """Runs when the loop turns."""
