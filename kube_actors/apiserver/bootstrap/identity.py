"""The Lease in kube-system by which others see that this API server lives (APIServerIdentity).

Kubernetes: pkg/controlplane's lease controller and its collector of leases whose servers are gone.
"""

from __future__ import annotations

import hashlib
import socket
import uuid

import structlog

from kube_actors.aio.clock import Clock, parse_rfc3339, rfc3339_micro
from kube_actors.api import Obj, encoding, errors
from kube_actors.api.errors import StoreError
from kube_actors.api.resources import LEASES
from kube_actors.apiserver.bootstrap.writing import SYSTEM
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.request import DeleteOptions, ListOptions, Request, Target, WriteOptions

log = structlog.get_logger(__name__)

NAMESPACE = "kube-system"
LABEL, LABEL_VALUE = "apiserver.kubernetes.io/identity", "kube-apiserver"
SECONDS, RENEW_EVERY, COLLECT_EVERY = 3600, 10.0, 3600.0


def lease_name(host: str, address: str) -> str:
    """The same after a restart, another for a server at another address of the same host."""
    digest = hashlib.sha256(f"{host}/{address}".encode()).hexdigest()
    return f"apiserver-{digest[:26]}"


class Identity:
    """One server's lease, renewed; and the removal of those that nobody renews."""

    def __init__(self, operations: Operations, clock: Clock, address: str) -> None:
        """`address` is where the server serves REST: host and port."""
        self._operations = operations
        self._clock = clock
        self._host = socket.gethostname()
        self.name = lease_name(self._host, address)
        self._holder = f"{self.name}_{uuid.uuid4()}"
        self._collected = 0.0

    async def run(self) -> None:
        """Until it is cancelled. A store that cannot be reached is tried again."""
        while True:
            try:
                await self.renew()
                await self.collect()
            except (errors.ApiError, StoreError) as error:
                log.warning("cannot renew the server's lease", lease=self.name, reason=str(error))
            await self._clock.sleep(RENEW_EVERY)

    async def renew(self) -> None:
        """Write the lease with the present time."""
        request = Request(SYSTEM, Target(LEASES, NAMESPACE, self.name))
        try:
            lease = encoding.loads(await self._operations.get(request))
        except errors.NotFound:
            created = Request(SYSTEM, Target(LEASES, NAMESPACE))
            await self._operations.create(created, encoding.dumps(self._lease({})), WriteOptions())
            return
        await self._operations.update(request, encoding.dumps(self._lease(lease["metadata"])), WriteOptions())

    def _lease(self, metadata: Obj) -> Obj:
        labels = {LABEL: LABEL_VALUE, "kubernetes.io/hostname": self._host}
        return {
            "kind": "Lease",
            "apiVersion": "coordination.k8s.io/v1",
            "metadata": {**metadata, "name": self.name, "namespace": NAMESPACE, "labels": labels},
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": SECONDS,
                "renewTime": rfc3339_micro(self._clock.now()),
            },
        }

    async def collect(self) -> None:
        """Once in a while, remove the leases of servers that are gone."""
        now = self._clock.now()
        if now - self._collected < COLLECT_EVERY:
            return
        self._collected = now
        selection = ListOptions(labels=f"{LABEL}={LABEL_VALUE}")
        page = await self._operations.list(Request(SYSTEM, Target(LEASES, NAMESPACE)), selection)
        for entry in page.entries:
            lease = entry.decode()
            if has_expired(lease, now):
                metadata = lease["metadata"]
                gone = Request(SYSTEM, Target(LEASES, NAMESPACE, metadata["name"]))
                await self._operations.delete(gone, DeleteOptions(resource_version=metadata["resourceVersion"]))


def has_expired(lease: Obj, now: float) -> bool:
    """Whether nobody has renewed it for as long as it lasts."""
    spec = lease.get("spec") or {}
    renewed, seconds = spec.get("renewTime"), spec.get("leaseDurationSeconds")
    return not renewed or not seconds or parse_rfc3339(renewed) + seconds < now
