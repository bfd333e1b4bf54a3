"""Leader election over a Lease, as client-go's tools/leaderelection with its LeaseLock does it.

    candidate ──(lease free, or not renewed for its duration)──> leader ──renews every `retry` seconds──┐
        ^                                                          │  ^──────────────────────────────────┘
        └── not renewed within `renew_deadline`, or taken by another ┘

Clocks of different machines are not compared: a candidate measures, by its own clock, how long it has
seen the lease unchanged. Two leaders are impossible as long as renew_deadline < lease_seconds and no
clock runs faster than another by more than their ratio.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from kube_actors.aio.clock import Clock, SystemClock, rfc3339_micro
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError, NotFound
from kube_actors.api.resources import LEASES
from kube_actors.client.events import NORMAL, Recorder
from kube_actors.client.interface import Client

log = structlog.get_logger(__name__)

# How much later than `retry` a candidate may ask, so that candidates do not ask together.
JITTER = 1.2


@dataclass(frozen=True, slots=True)
class _Seen:
    """A lease and when, by our clock, it was first seen like this."""

    lease: Obj
    at: float

    @property
    def holder(self) -> str:
        return str(self.lease["spec"].get("holderIdentity") or "")


class LeaderElector:
    """Runs something while, and only while, this candidate holds the lease `namespace/name`."""

    def __init__(
        self,
        client: Client,
        name: str,
        identity: str,
        namespace: str = "kube-system",
        *,
        lease_seconds: float = 15.0,
        renew_deadline: float = 10.0,
        retry: float = 2.0,
        clock: Clock | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """`identity` must differ between candidates. Raises ValueError for times that cannot work.

        `recorder` is told of the lease's changes of hand.
        """
        if not lease_seconds > renew_deadline > retry * JITTER:
            raise ValueError("leader election needs lease_seconds > renew_deadline > retry * 1.2")
        self._client = client
        self._name, self._identity, self._namespace = name, identity, namespace
        self._lease_seconds, self._renew_deadline, self._retry = lease_seconds, renew_deadline, retry
        self._clock = clock or SystemClock()
        self._recorder = recorder
        self._seen: _Seen | None = None
        self._leading = False

    @property
    def is_leader(self) -> bool:
        return self._leading

    @property
    def leader(self) -> str:
        """The identity that held the lease when it was last looked at; empty: nobody, or not known."""
        return self._seen.holder if self._seen else ""

    async def run(self, on_lead: Callable[[], Awaitable[None]]) -> None:
        """Stand for election forever. `on_lead()` runs while leading and is cancelled when the lease is lost.

        Returns when `on_lead()` returns and raises what it raises; cancel it to step down. In each of
        these cases the lease is given back at once, so that another can take it.
        """
        try:
            while True:
                await self._acquire()
                if await self._lead(on_lead):
                    return
        finally:
            await self._release()

    async def _acquire(self) -> None:
        while not await self._try():
            await self._clock.sleep(self._retry * (1.0 + random.random() * (JITTER - 1.0)))
        self._leading = True
        log.info("leading", lease=self._name, identity=self._identity)
        self._tell("became leader")

    async def _lead(self, on_lead: Callable[[], Awaitable[None]]) -> bool:
        """Whether `on_lead()` came to its end by itself; else the lease was lost."""
        tasks = Tasks(f"leader-{self._name}", on_failure=lambda *_: None)
        work = tasks.spawn(_awaited(on_lead), "work")
        renewal = tasks.spawn(self._renew(), "renew")
        try:
            await asyncio.wait({work, renewal}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
                return True
            log.warning("lost the lease", lease=self._name, identity=self._identity)
            return False
        finally:
            # The work ends before anybody hears that we lead no longer.
            await tasks.stop()
            self._leading = False
            self._tell("stopped leading")

    def _tell(self, what: str) -> None:
        if self._recorder is not None and self._seen is not None:
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": self._seen.lease["metadata"]}
            self._recorder.event(lease, NORMAL, "LeaderElection", f"{self._identity} {what}")

    async def _renew(self) -> None:
        """Returns when the lease is lost."""
        renewed = self._clock.now()
        while True:
            await self._clock.sleep(self._retry)
            left = renewed + self._renew_deadline - self._clock.now()
            try:
                async with asyncio.timeout(max(left, 0.0)):
                    if await self._try():
                        renewed = self._clock.now()
            except TimeoutError:
                return
            if self._seen is not None and self._seen.holder != self._identity:
                return
            if self._clock.now() >= renewed + self._renew_deadline:
                return

    async def _try(self) -> bool:
        """Take or renew the lease: whether we hold it now. Failures are logged and count as no."""
        try:
            return await self._take()
        except KubeActorsError as error:
            log.info("cannot take the lease", lease=self._name, identity=self._identity, error=str(error))
            return False

    async def _take(self) -> bool:
        now = self._clock.now()
        ours = self._seen.lease if self._leading and self._seen and self._seen.holder == self._identity else None
        # Nobody else can have written a lease that is valid: renew what we know, without a read.
        if ours is not None and await self._fast_renew(ours, now):
            return True
        try:
            lease = await self._client.get(LEASES, self._name, self._namespace)
        except NotFound:
            metadata = {"name": self._name, "namespace": self._namespace}
            new = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
            self._observe(await self._client.create(LEASES, new | {"spec": self._spec({}, now)}))
            return True
        self._observe(lease)
        assert self._seen is not None
        held = self._seen.holder not in ("", self._identity)
        if held and self._seen.at + float(lease["spec"].get("leaseDurationSeconds") or self._lease_seconds) > now:
            return False
        self._observe(await self._client.update(LEASES, lease | {"spec": self._spec(lease["spec"], now)}))
        return True

    async def _fast_renew(self, lease: Obj, now: float) -> bool:
        try:
            self._observe(await self._client.update(LEASES, lease | {"spec": self._spec(lease["spec"], now)}))
        except KubeActorsError as error:
            log.info("cannot renew the lease as it was", lease=self._name, error=str(error))
            return False
        return True

    def _spec(self, old: dict[str, Any], now: float) -> dict[str, Any]:
        spec = old | {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(int(self._lease_seconds), 1),
            "renewTime": rfc3339_micro(now),
        }
        if old.get("holderIdentity") != self._identity:
            spec["acquireTime"] = rfc3339_micro(now)
            spec["leaseTransitions"] = old.get("leaseTransitions", -1) + 1
        return spec

    def _observe(self, lease: Obj) -> None:
        if self._seen is None or self._seen.lease["spec"] != lease["spec"]:
            self._seen = _Seen(lease, self._clock.now())
        elif self._seen.lease is not lease:
            self._seen = _Seen(lease, self._seen.at)

    async def _release(self) -> None:
        """Give the lease back, if it is ours: nobody, valid for a second."""
        seen, self._seen = self._seen, None
        if seen is None or seen.holder != self._identity:
            return
        now = rfc3339_micro(self._clock.now())
        free = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": now, "acquireTime": now}
        try:
            async with asyncio.timeout(self._retry):
                await self._client.update(LEASES, seen.lease | {"spec": seen.lease["spec"] | free})
        except (KubeActorsError, TimeoutError) as error:
            log.info("the lease runs out by itself", lease=self._name, error=str(error))


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()
