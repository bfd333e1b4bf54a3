"""Lifecycle hooks: postStart after a container started, preStop before it is stopped."""

from __future__ import annotations

from kube_actors.aio.clock import Clock
from kube_actors.api import Obj
from kube_actors.node.prober.container import ContainerChecks
from kube_actors.node.runtime.interface import Runtime, Simulation

POST_START_SECONDS = 24 * 3600.0


class Hooks:
    """Runs the handlers of `lifecycle`."""

    def __init__(self, checks: ContainerChecks, runtime: Runtime, clock: Clock) -> None:
        self._checks = checks
        self._clock = clock
        self._simulated = isinstance(runtime, Simulation)

    async def post_start(self, container: Obj, container_id: str, ip: str) -> str:
        """The text of the failure, empty for success. It may take as long as it likes, as with kubelet."""
        return await self._run(container, "postStart", container_id, ip, POST_START_SECONDS)

    async def pre_stop(self, container: Obj, container_id: str, ip: str, timeout: float) -> str:
        """The text of the failure, empty for success."""
        return await self._run(container, "preStop", container_id, ip, timeout)

    async def _run(self, container: Obj, kind: str, container_id: str, ip: str, timeout: float) -> str:
        handler = (container.get("lifecycle") or {}).get(kind)
        if not handler:
            return ""
        if handler.get("sleep") is not None:
            await self._clock.sleep(min(float(handler["sleep"].get("seconds") or 0), timeout))
            return ""
        if self._simulated:
            return ""
        result = await self._checks.check(handler, container, container_id, ip, timeout)
        # Whatever a server answers: it has been told.
        return "" if result.ok or result.status else result.output or f"{kind} hook failed"
