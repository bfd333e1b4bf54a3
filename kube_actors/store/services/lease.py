"""etcdserverpb.Lease, and the task that ends leases in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import structlog

from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.server import Call
from kube_actors.store.engine import Engine
from kube_actors.store.errors import EtcdError
from kube_actors.store.services.messages import header

log = structlog.get_logger(__name__)

# A lease ends at most this much late.
PRECISION = 0.5


class LeaseService:
    """Time is the event loop's: it does not jump when the machine's clock is set."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def LeaseGrant(self, request: pb.LeaseGrantRequest, call: Call) -> pb.LeaseGrantResponse:
        lease = self._engine.grant(request.ID, request.TTL)
        await self._engine.settled()
        return pb.LeaseGrantResponse(header=header(self._engine), ID=lease.id, TTL=lease.ttl)

    async def LeaseRevoke(self, request: pb.LeaseRevokeRequest, call: Call) -> pb.LeaseRevokeResponse:
        self._engine.revoke(request.ID)
        await self._engine.settled()
        return pb.LeaseRevokeResponse(header=header(self._engine))

    async def LeaseKeepAlive(
        self, requests: AsyncIterator[Any], call: Call
    ) -> AsyncIterator[pb.LeaseKeepAliveResponse]:
        async for request in requests:
            ttl = self._engine.leases.renew(request.ID, asyncio.get_running_loop().time())
            yield pb.LeaseKeepAliveResponse(header=header(self._engine), ID=request.ID, TTL=ttl)

    async def LeaseTimeToLive(self, request: pb.LeaseTimeToLiveRequest, call: Call) -> pb.LeaseTimeToLiveResponse:
        lease = self._engine.leases.find(request.ID)
        if lease is None:
            return pb.LeaseTimeToLiveResponse(header=header(self._engine), ID=request.ID, TTL=-1)
        left = int(lease.deadline - asyncio.get_running_loop().time())
        answer = pb.LeaseTimeToLiveResponse(
            header=header(self._engine), ID=lease.id, TTL=max(left, 0), grantedTTL=lease.ttl
        )
        if request.keys:
            answer.keys.extend(sorted(lease.keys))
        return answer

    async def LeaseLeases(self, request: pb.LeaseLeasesRequest, call: Call) -> pb.LeaseLeasesResponse:
        leases = [pb.LeaseStatus(ID=lease_id) for lease_id in self._engine.leases.ids()]
        return pb.LeaseLeasesResponse(header=header(self._engine), leases=leases)

    async def expire(self) -> None:
        """End leases for ever."""
        while True:
            now = asyncio.get_running_loop().time()
            for lease_id in self._engine.leases.expired(now):
                try:
                    self._engine.revoke(lease_id)
                    await self._engine.settled()
                except EtcdError as error:
                    # Put back: it ends when the store can write again.
                    self._engine.leases.postpone(lease_id, now + 1.0)
                    log.warning("a lease has ended and could not be revoked", lease=lease_id, reason=str(error))
            deadline = self._engine.leases.next_deadline()
            await asyncio.sleep(PRECISION if deadline is None else min(max(deadline - now, 0.05), PRECISION))
