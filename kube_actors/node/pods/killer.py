"""Ends containers: preStop hook, stop signal, KILL, all within the grace period.

regular and ephemeral containers together ──> sidecars, last first
"""

from __future__ import annotations

import asyncio

import structlog

from kube_actors.aio.clock import Clock
from kube_actors.api import Obj
from kube_actors.node.node_events import NORMAL, WARNING, PodEvents
from kube_actors.node.pods.hooks import Hooks
from kube_actors.node.pods.view import ContainerView, PodView, Role
from kube_actors.node.runtime.interface import NoSuchContainer, Runtime
from kube_actors.node.status.container_status import full_name

log = structlog.get_logger(__name__)

# However long a preStop hook took, the process gets this long to end.
MINIMUM_GRACE = 2.0
DEFAULT_GRACE = 30.0


def grace_of(pod: Obj) -> float:
    """The seconds that a pod has to end: those of its deletion, else those of its spec."""
    seconds = pod["metadata"].get("deletionGracePeriodSeconds")
    if seconds is None:
        seconds = pod["spec"].get("terminationGracePeriodSeconds")
    return max(1.0, DEFAULT_GRACE if seconds is None else float(seconds))


class Killer:
    """Ends containers of pods."""

    def __init__(self, runtime: Runtime, hooks: Hooks, events: PodEvents, clock: Clock) -> None:
        self._runtime = runtime
        self._hooks = hooks
        self._events = events
        self._clock = clock

    async def kill(
        self, pod: Obj, container: Obj, container_id: str, ip: str, grace: float, message: str, *, hooks: bool = True
    ) -> None:
        """Returns when it has ended. Raises RuntimeFailure."""
        self._events.container(pod, str(container["name"]), NORMAL, "Killing", message)
        begun = self._clock.now()
        if hooks:
            failure = await self._pre_stop(container, container_id, ip, grace)
            if failure:
                name = str(container["name"])
                log.warning("preStop hook failed", pod=full_name(pod), container=name, error=failure)
                self._events.container(pod, name, WARNING, "FailedPreStopHook", "PreStopHook failed")
        left = max(MINIMUM_GRACE, grace - (self._clock.now() - begun))
        try:
            await self._runtime.stop_container(container_id, left)
        except NoSuchContainer:
            return

    async def kill_all(self, pod: Obj, view: PodView, grace: float) -> None:
        """End all that runs of the pod. Raises RuntimeFailure."""
        begun = self._clock.now()
        first = [each for each in view.running if each.role is not Role.SIDECAR]
        stops = [self._stop(pod, each, view.ip, grace) for each in first]
        stops += [self._runtime.stop_container(stranger.id, grace) for stranger in view.strangers]
        # All are tried: one that resists must not save the others.
        results = await asyncio.gather(*stops, return_exceptions=True)
        for failure in [result for result in results if isinstance(result, BaseException)]:
            raise failure
        for each in reversed([each for each in view.running if each.role is Role.SIDECAR]):
            left = max(MINIMUM_GRACE, grace - (self._clock.now() - begun))
            await self._stop(pod, each, view.ip, left)

    async def _stop(self, pod: Obj, view: ContainerView, ip: str, grace: float) -> None:
        run = view.latest
        if run is not None:
            await self.kill(pod, view.spec, run.id, ip, grace, f"Stopping container {view.name}")

    async def _pre_stop(self, container: Obj, container_id: str, ip: str, grace: float) -> str:
        try:
            async with asyncio.timeout(grace):
                return await self._hooks.pre_stop(container, container_id, ip, grace)
        except TimeoutError:
            return f"it did not end within the grace period of {grace:g}s"
