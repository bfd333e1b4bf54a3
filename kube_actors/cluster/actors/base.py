"""What the shells share."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import ClassVar

from kube_actors.aio.collector import Collector
from kube_actors.cluster import logs
from kube_actors.cluster.actors.thread import ComponentThread
from kube_actors.cluster.config import MAX_REAL_NODES
from kube_actors.cluster.group import Group
from kube_actors.cluster.paths import of_cluster
from kube_actors.cluster.pki import Authority, Pki
from kube_actors.cluster.plan import ClusterPlan

HEALTH_SECONDS = 5.0
DRAIN_SECONDS = 45.0


class ComponentActor:
    """A shell. The constructor returns when the component serves; a crash runs it again.

    A call that fails by a crash means "maybe"; all of them may be repeated. No method may be `async def`:
    one alone would make Ray run all of them, and the constructor, in a loop of its own.
    """

    component: ClassVar[str]

    def __init__(self, plan: ClusterPlan, node: str, which: str = "", *, host: str = "") -> None:
        """`node` is the master or the node agent that it stands for, `which` the one of several there.

        `host` is the address of the Ray node that it is on, where there are several.
        """
        self._away = plan.spread is not None and host != plan.spread.master
        self._plan = self._here(plan)
        self._node = node
        self._which = which
        component = which or self.component
        name = f"{component}@{node}"
        self._plan.paths.make()
        file = self._plan.paths.logs / f"{name}.log"
        logs.configure(file=file, as_json=True, component=component, node=node)
        if len(plan.nodes) > MAX_REAL_NODES:
            # For as long as the process lives.
            Collector().start()
        self._thread = ComponentThread(name, self._groups)
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

    def _groups(self) -> list[Group]:
        if self._plan.spread is None:
            return self._make(Pki.open(self._plan.paths.pki))
        from kube_actors.cluster.actors import link

        # The constructor's plan is of the time when the actor was created; members may have moved since.
        self._plan = self._here(link.current_plan())
        return self._make(link.SupervisorsAuthority() if self._away else Pki.open(self._plan.paths.pki))

    def _here(self, plan: ClusterPlan) -> ClusterPlan:
        """The plan with this machine's folder: elsewhere than on the master it is below this host's own home."""
        return replace(plan, root=of_cluster(plan.name).root) if self._away else plan

    def _make(self, pki: Authority) -> list[Group]:
        raise NotImplementedError


async def _breathe() -> None:
    """Runs when the loop turns."""
