"""What backups ask of a store: etcd's API, nothing else, so that any server of it will do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kube_actors.aio.backoff import Backoff
from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import etcd_pb2 as pb
from kube_actors.rpc.tls import ClientTLS
from kube_actors.store.backup.format import LeaseGrant
from kube_actors.store.client_writes import to_kv
from kube_actors.store.errors import KV, Compacted, LeaseExists, StoreUnavailable, from_text

TIMEOUT = 60.0
# A store that is away for longer fails the backup.
PATIENCE = 15.0
RETRY = Backoff(initial=0.1, maximum=1.0)
# Questions about leases that are under way at once.
TOGETHER = 64


@dataclass(frozen=True, slots=True)
class Page:
    """Keys in order; `total` is how many there are from the page's start."""

    kvs: list[KV]
    revision: int
    more: bool
    total: int


class StoreWire:
    """Use it with `async with`. Refusals are the classes of `kube_actors.store.errors`.

    A store that is away is asked again for a while; so are writes, which the callers make repeatable.
    """

    def __init__(self, addresses: Sequence[str], tls: ClientTLS | None = None, *, patience: float = PATIENCE) -> None:
        self._addresses = tuple(addresses)
        self._tls = tls
        self._patience = patience

    async def __aenter__(self) -> StoreWire:
        self._channel = Channel(self._addresses, self._tls)
        services = pb.DESCRIPTOR.services_by_name
        self._kv = Stub(self._channel, services["KV"])
        self._lease = Stub(self._channel, services["Lease"])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def page(self, start: bytes, limit: int, revision: int) -> Page:
        """Up to `limit` keys from `start` on, at a revision (0: now)."""
        request = pb.RangeRequest(key=start, range_end=b"\0", limit=limit, revision=revision)
        answer = await self._ask(self._kv, "Range", request)
        return Page(list(map(to_kv, answer.kvs)), answer.header.revision, answer.more, answer.count)

    async def count(self) -> tuple[int, int]:
        """How many keys there are, and the revision."""
        answer = await self._ask(self._kv, "Range", pb.RangeRequest(key=b"\0", range_end=b"\0", count_only=True))
        return int(answer.count), int(answer.header.revision)

    async def leases(self) -> list[int]:
        """The ids of all leases."""
        answer = await self._ask(self._lease, "LeaseLeases", pb.LeaseLeasesRequest())
        return [int(lease.ID) for lease in answer.leases]

    async def granted(self, lease_ids: Sequence[int]) -> list[LeaseGrant]:
        """For how long each was granted; -1 for one that has ended."""
        grants: list[LeaseGrant] = []
        for start in range(0, len(lease_ids), TOGETHER):
            grants += await asyncio.gather(*map(self._granted, lease_ids[start : start + TOGETHER]))
        return grants

    async def _granted(self, lease_id: int) -> LeaseGrant:
        answer = await self._ask(self._lease, "LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=lease_id))
        return LeaseGrant(lease_id, int(answer.grantedTTL) if answer.TTL >= 0 else -1)

    async def grant(self, grant: LeaseGrant) -> None:
        """Have the lease; one of that id that exists already will do."""
        try:
            await self._ask(self._lease, "LeaseGrant", pb.LeaseGrantRequest(ID=grant.id, TTL=grant.ttl))
        except LeaseExists:
            return

    async def revoke(self, lease_id: int) -> None:
        await self._ask(self._lease, "LeaseRevoke", pb.LeaseRevokeRequest(ID=lease_id))

    async def put(self, kvs: Sequence[KV]) -> int:
        """All of them in one transaction; its revision."""
        puts = [pb.RequestOp(request_put=pb.PutRequest(key=kv.key, value=kv.value, lease=kv.lease)) for kv in kvs]
        answer = await self._ask(self._kv, "Txn", pb.TxnRequest(success=puts))
        return int(answer.header.revision)

    async def delete(self, start: bytes, end: bytes = b"\0") -> int:
        """Delete [start, end); the revision."""
        answer = await self._ask(self._kv, "DeleteRange", pb.DeleteRangeRequest(key=start, range_end=end))
        return int(answer.header.revision)

    async def compact(self, revision: int) -> None:
        """Forget all history before; one that is forgotten already is no error."""
        try:
            await self._ask(self._kv, "Compact", pb.CompactionRequest(revision=revision))
        except Compacted:
            return

    async def _ask(self, stub: Stub, method: str, request: Any) -> Any:
        loop = asyncio.get_running_loop()
        deadline, failures = loop.time() + self._patience, 0
        while True:
            try:
                return await stub.unary(method, request, TIMEOUT)
            except RpcError as error:
                refusal = from_text(error.message, error.code)
                failures += 1
                pause = RETRY.delay(failures)
                if not isinstance(refusal, StoreUnavailable) or loop.time() + pause > deadline:
                    raise refusal from error
            await asyncio.sleep(pause)
