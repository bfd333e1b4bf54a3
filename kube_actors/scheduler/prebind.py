"""What happens between a pod's placement and its binding: its claims get volumes for the node.

placed -> volumes that exist are set aside for the claims; the other claims are told the node, for who
          provisions -> wait until all are bound -> the pod is bound
a provisioner that gives up takes the node off the claim again: the pod is scheduled anew
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.meta import annotations_of, name_of, namespace_of
from kube_actors.api.volumes import BOUND_BY_CONTROLLER, CLAIMS, SELECTED_NODE, VOLUMES, claim_reference, is_fully_bound
from kube_actors.client.interface import Client
from kube_actors.scheduler.binder import Binder, Outcome
from kube_actors.scheduler.planner import Placement
from kube_actors.scheduler.volumes import Volumes

# VolumeBindingArgs.bindTimeoutSeconds.
BIND_TIMEOUT = 600.0


class VolumesNotBound(KubeActorsError):
    """The claims of a placed pod got no volumes; the pod is scheduled again."""


class PreBinder:
    """Every placement given to it ends with the binder, or with an outcome of its own."""

    def __init__(
        self,
        client: Client,
        volumes: Volumes,
        node: Callable[[str], Obj | None],
        binder: Binder,
        outcome: Outcome,
        clock: Clock,
    ) -> None:
        self._client, self._volumes, self._node = client, volumes, node
        self._binder, self._outcome, self._clock = binder, outcome, clock
        self._tasks = Tasks("scheduler-prebind")

    async def stop(self) -> None:
        await self._tasks.stop()

    def start(self, placement: Placement) -> None:
        """Prepare and bind, without waiting for it."""
        self._tasks.spawn(self._run(placement), f"prebind {placement.pod.name}")

    async def _run(self, placement: Placement) -> None:
        try:
            claims = self._volumes.unbound(placement.pod.shape)
            for key in claims:
                await self._prepare(key, placement.node)
            await self._bound(claims, placement.node)
        except KubeActorsError as error:
            self._outcome(placement, error)
            return
        await self._binder.bind([placement])

    async def _prepare(self, key: str, node_name: str) -> None:
        """Set a volume aside for the claim, or tell its provisioner the node."""
        claim, node = self._volumes.claim(key), self._node(node_name)
        if claim is None or node is None:
            raise VolumesNotBound(f"claim {key} or node {node_name} is gone")
        volume = self._volumes.match(claim, node)
        if volume is not None:
            await self._set_aside(volume, claim)
        elif annotations_of(claim).get(SELECTED_NODE) != node_name:
            version = claim["metadata"]["resourceVersion"]
            metadata = {"annotations": {SELECTED_NODE: node_name}, "resourceVersion": version}
            await self._client.patch(CLAIMS, name_of(claim), {"metadata": metadata}, namespace_of(claim))

    async def _set_aside(self, volume: Obj, claim: Obj) -> None:
        if volume["spec"].get("claimRef") is not None:
            return
        metadata = {
            "annotations": {BOUND_BY_CONTROLLER: "yes"},
            "resourceVersion": volume["metadata"]["resourceVersion"],
        }
        # Conflict: another pod took it meanwhile.
        patch = {"metadata": metadata, "spec": {"claimRef": claim_reference(claim)}}
        await self._client.patch(VOLUMES, name_of(volume), patch)

    async def _bound(self, claims: Sequence[str], node: str) -> None:
        """Wait until all are bound. Raises VolumesNotBound where that will not be."""
        end = self._clock.now() + BIND_TIMEOUT
        told: set[str] = set()
        while True:
            waiting = [key for key in claims if not self._is_bound(key, node, told)]
            if not waiting:
                return
            try:
                async with asyncio.timeout(max(end - self._clock.now(), 0.0)):
                    await self._volumes.news()
            except TimeoutError:
                raise VolumesNotBound(f"binding volumes: timed out waiting for {', '.join(waiting)}") from None

    def _is_bound(self, key: str, node: str, told: set[str]) -> bool:
        """`told` collects the claims that were seen with the node on them: from then on it must stay."""
        claim = self._volumes.claim(key)
        if claim is None:
            raise VolumesNotBound(f"binding volumes: claim {key} was deleted")
        if is_fully_bound(claim):
            return True
        selected = annotations_of(claim).get(SELECTED_NODE)
        if selected == node:
            told.add(key)
        elif key in told:
            raise VolumesNotBound(f"binding volumes: provisioning of {key} failed on {node}")
        return False
