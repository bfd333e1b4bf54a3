"""The component: watches Services and EndpointSlices and keeps the backend's table current."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.resources import ENDPOINT_SLICES, SERVICES
from kube_actors.client.client import KubeClient
from kube_actors.client.informer import Informer
from kube_actors.network.nft_backend import NftablesBackend
from kube_actors.network.services import ServicePort, plan
from kube_actors.network.userspace import UserspaceBackend

log = structlog.get_logger(__name__)

# Changes of a rollout come in bursts; one transaction serves all that come within this time.
SETTLE_SECONDS = 0.05
RETRY = Backoff(initial=0.5, maximum=30.0)


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """`mode` is "nftables" (root) or "userspace" (service addresses must be this machine's own)."""

    mode: str
    node_name: str
    cluster_name: str
    service_cidr: str
    pod_cidr: str


class Backend(Protocol):
    """What serves a table of services."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def apply(self, table: tuple[ServicePort, ...]) -> None: ...

    async def remove(self) -> None: ...


class ServiceProxy:
    """Serves the cluster's services on one node.

    Crash contract: nothing is kept. After a restart the first table is planned only when both caches
    are complete, so that services that work are never emptied for a moment.
    """

    def __init__(self, config: ProxyConfig, client: KubeClient, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._backend: Backend = make_backend(config, self._clock)
        self._services = Informer(client, SERVICES)
        self._slices = Informer(client, ENDPOINT_SLICES)
        self._tasks = Tasks(f"proxy {config.node_name}")
        self._changed = asyncio.Event()
        for informer in (self._services, self._slices):
            informer.add_handler(_Wake(self._changed))

    async def start(self) -> None:
        """Raises ConfigError where the backend cannot work on this machine."""
        await self._backend.start()
        await self._services.start()
        await self._slices.start()
        self._tasks.spawn_forever(self._keep_current(), "sync")

    async def stop(self) -> None:
        await self._tasks.stop()
        await self._slices.stop()
        await self._services.stop()
        await self._backend.stop()

    async def remove(self) -> None:
        """Undo what the backend set up on this machine; for the end of the cluster."""
        await self._backend.remove()

    async def _keep_current(self) -> None:
        await self._services.synced()
        await self._slices.synced()
        applied: tuple[ServicePort, ...] | None = None
        failures = 0
        while True:
            await self._clock.sleep(SETTLE_SECONDS)
            self._changed.clear()
            table = plan(self._services.list(), self._slices.list(), self._config.node_name)
            if table != applied:
                try:
                    await self._backend.apply(table)
                    applied, failures = table, 0
                except OSError as error:
                    failures += 1
                    log.error("service rules not applied", error=str(error), failures=failures)
                    await self._clock.sleep(RETRY.delay(failures))
                    continue
            await self._changed.wait()


class _Wake:
    """An informer's handler that only says that something changed."""

    def __init__(self, changed: asyncio.Event) -> None:
        self._changed = changed

    def on_add(self, obj: Obj, is_initial: bool) -> None:
        self._changed.set()

    def on_update(self, old: Obj, new: Obj) -> None:
        self._changed.set()

    def on_delete(self, obj: Obj) -> None:
        self._changed.set()


def make_backend(config: ProxyConfig, clock: Clock) -> Backend:
    """The backend of a mode. ValueError for a mode there is not."""
    if config.mode == "nftables":
        return NftablesBackend(config.cluster_name, config.service_cidr, config.pod_cidr)
    if config.mode == "userspace":
        return UserspaceBackend(clock)
    raise ValueError(f"proxy mode {config.mode!r}: nftables or userspace")
