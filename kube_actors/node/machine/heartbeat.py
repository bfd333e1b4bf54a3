"""The node's presence in the API: it registers, renews its lease, and keeps its status true.

register ──> Node (created, or taken over if it is there)      every 10 s ──> Lease in kube-node-lease
         └─> every 10 s: status, written where it changed or every 5 minutes
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.clock import Clock, rfc3339_micro
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import AlreadyExists, ApiError, KubeActorsError, NotFound
from kube_actors.api.meta import version_of
from kube_actors.api.resources import LEASES, NODES
from kube_actors.client.interface import Client
from kube_actors.node.config import NodeConfig
from kube_actors.node.machine.facts import Machine
from kube_actors.node.machine.node_object import (
    Observed,
    changed_labels,
    node_object,
    node_status,
    same_but_for_heartbeat,
)

log = structlog.get_logger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
RETRY = Backoff(initial=0.2, maximum=7.0)
# As kubelet has it: nodes that began together do not renew together for ever.
LEASE_JITTER = 0.04

Observe = Callable[[], Awaitable[Observed]]
OnNode = Callable[[Obj, Obj], None]


class Heartbeat:
    """Tells the API server that the node is there. `on_node(before, now)` hears of the Node as the API has it.

    `known_node` gives the Node as a cache has it, None where there is no cache.
    """

    def __init__(
        self,
        config: NodeConfig,
        machine: Machine,
        client: Client,
        clock: Clock,
        observe: Observe,
        on_node: OnNode,
        known_node: Callable[[], Obj | None] = lambda: None,
    ) -> None:
        self._config, self._machine = config, machine
        self._client, self._clock = client, clock
        self._observe, self._on_node, self._known_node = observe, on_node, known_node
        self._tasks = Tasks(f"node/{config.name}/heartbeat")
        self._node: Obj | None = None
        self._lease: Obj | None = None
        self._reported_at = 0.0
        self._failing: set[str] = set()
        self._registered = asyncio.Event()
        self._look = asyncio.Event()

    async def start(self) -> None:
        """Begins; the API server need not be there yet."""
        self._tasks.spawn_forever(self._run(), "status")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def registered(self) -> None:
        """Wait until the Node is in the API."""
        await self._registered.wait()

    def look(self) -> None:
        """Something happened that the status should tell at once."""
        self._look.set()

    async def _run(self) -> None:
        failures = 0
        while not await self._try(self._register, "registration"):
            failures += 1
            await self._clock.sleep(RETRY.delay(failures))
        self._registered.set()
        self._tasks.spawn_forever(self._renew_forever(), "lease")
        while True:
            self._look.clear()
            await self._wait(self._config.status_interval)
            await self._try(self._report, "status")

    async def _wait(self, seconds: float) -> None:
        timer = asyncio.get_running_loop().call_later(seconds, self._look.set)
        try:
            await self._look.wait()
        finally:
            timer.cancel()

    async def _try(self, work: Callable[[], Awaitable[None]], what: str) -> bool:
        """Whether it worked. The API server may be away for long: the pods go on meanwhile."""
        try:
            await work()
        except KubeActorsError as error:
            # Said once until it works again: it is tried every few seconds, by every node.
            tell = log.debug if what in self._failing else log.warning
            tell("the node cannot tell the API server", node=self._config.name, what=what, error=str(error))
            self._failing.add(what)
            return False
        self._failing.discard(what)
        return True

    # Node

    async def _register(self) -> None:
        observed = await self._observe()
        wanted = node_object(self._config, self._machine, observed)
        try:
            self._node = await self._client.create(NODES, wanted)
        except AlreadyExists:
            await self._take_over(wanted)
        # Whether a server takes the status with a creation is its own affair: it is reported again.
        await self._report(force=True)

    async def _take_over(self, wanted: Obj) -> None:
        """The Node is there from an earlier life: labels and range become those of this one."""
        metadata = {key: wanted["metadata"][key] for key in ("labels", "annotations") if wanted["metadata"][key]}
        patch: Obj = {"metadata": metadata}
        known = await self._client.get(NODES, self._config.name)
        if self._config.pod_cidr and not (known.get("spec") or {}).get("podCIDR"):
            patch["spec"] = {key: wanted["spec"][key] for key in ("podCIDR", "podCIDRs")}
        self._node = await self._client.patch(NODES, self._config.name, patch)

    async def _report(self, force: bool = False) -> None:
        observed = await self._observe()
        name = self._config.name
        try:
            # As it is now: a controller may have declared the node lost, or given it a pod CIDR.
            node = self._latest() or await self._client.get(NODES, name)
        except NotFound:
            # Somebody deleted the Node while its agent lives: it registers again, as kubelet does on a restart.
            node = await self._client.create(NODES, node_object(self._config, self._machine, observed))
            force = True
        before, old = node, node.get("status") or {}
        labels = changed_labels(node, observed.device_labels)
        if labels:
            await self._client.patch(NODES, name, {"metadata": {"labels": labels}})
        status = node_status(self._config, self._machine, observed, old)
        due = observed.now - self._reported_at >= self._config.status_report_interval
        if force or due or not same_but_for_heartbeat(old, status):
            node = await self._client.patch(NODES, name, {"status": status}, subresource="status")
            self._reported_at = observed.now
        self._node = node
        self._on_node(before, node)

    async def refresh(self) -> None:
        """Read the Node as it is in the API now. Raises ApiError or RpcError."""
        node = await self._client.get(NODES, self._config.name)
        self._on_node(node, node)

    def _latest(self) -> Obj | None:
        """The cached Node, unless the last write of our own is not in it yet."""
        cached = self._known_node()
        if cached is None or self._node is None or version_of(cached) >= version_of(self._node):
            return cached
        return self._node

    # Lease

    async def _renew_forever(self) -> None:
        failures = 0
        while True:
            done = await self._try(self._renew, "lease")
            failures = 0 if done else failures + 1
            interval = self._config.lease_seconds / 4 * (1 + LEASE_JITTER * random.random())
            await self._clock.sleep(interval if done else min(interval, RETRY.delay(failures)))

    async def _renew(self) -> None:
        lease = self._lease_object()
        try:
            if self._lease is None:
                self._lease = await self._client.create(LEASES, lease)
            else:
                patch = {"spec": lease["spec"]}
                self._lease = await self._client.patch(LEASES, self._config.name, patch, LEASE_NAMESPACE)
        except AlreadyExists as known:
            patch = {"spec": lease["spec"], "metadata": {"ownerReferences": lease["metadata"]["ownerReferences"]}}
            try:
                self._lease = await self._client.patch(LEASES, self._config.name, patch, LEASE_NAMESPACE)
            except ApiError as error:
                raise error from known
        except NotFound:
            # The lease was deleted, or its namespace is not there yet.
            self._lease = None
            raise

    def _lease_object(self) -> Obj:
        assert self._node is not None
        owner = {"apiVersion": "v1", "kind": "Node", "name": self._config.name, "uid": self._node["metadata"]["uid"]}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._config.name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
            "spec": {
                "holderIdentity": self._config.name,
                "leaseDurationSeconds": self._config.lease_seconds,
                "renewTime": rfc3339_micro(self._clock.now()),
            },
        }
