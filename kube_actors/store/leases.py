"""Leases: who has one, which keys hang on it, when it ends. Pure; time is passed in."""

from __future__ import annotations

import heapq
import secrets
from dataclasses import dataclass, field

from kube_actors.store.errors import LeaseExists, LeaseNotFound, LeaseTTLTooLarge

MAX_TTL = 9_000_000_000
# etcd raises shorter ones to this: one and a half election timeouts, in whole seconds.
MIN_TTL = 2


@dataclass(slots=True, eq=False)
class Lease:
    id: int
    ttl: int
    deadline: float
    keys: set[bytes] = field(default_factory=set)


class Leases:
    def __init__(self) -> None:
        self._leases: dict[int, Lease] = {}
        self._deadlines: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._leases)

    def load(self, lease_id: int, ttl: int, now: float) -> None:
        """A lease of the file: it gets its whole time anew, as after a change of etcd's leader."""
        self._add(Lease(lease_id, ttl, now + ttl))

    def grant(self, lease_id: int, ttl: int, now: float) -> Lease:
        if ttl > MAX_TTL:
            raise LeaseTTLTooLarge
        if lease_id in self._leases:
            raise LeaseExists
        while not lease_id or lease_id in self._leases:
            lease_id = secrets.randbits(63)
        ttl = max(ttl, MIN_TTL)
        return self._add(Lease(lease_id, ttl, now + ttl))

    def get(self, lease_id: int) -> Lease:
        lease = self._leases.get(lease_id)
        if lease is None:
            raise LeaseNotFound
        return lease

    def find(self, lease_id: int) -> Lease | None:
        return self._leases.get(lease_id)

    def renew(self, lease_id: int, now: float) -> int:
        """The TTL; 0 for a lease that has ended."""
        lease = self._leases.get(lease_id)
        if lease is None:
            return 0
        lease.deadline = now + lease.ttl
        return lease.ttl

    def remove(self, lease: Lease) -> None:
        del self._leases[lease.id]

    def restore(self, lease: Lease) -> None:
        """Take `remove` back."""
        self._add(lease)

    def attach(self, lease_id: int, key: bytes) -> None:
        lease = self._leases.get(lease_id)
        if lease is not None:
            lease.keys.add(key)

    def detach(self, lease_id: int, key: bytes) -> None:
        lease = self._leases.get(lease_id)
        if lease is not None:
            lease.keys.discard(key)

    def ids(self) -> list[int]:
        """Soonest end first."""
        return [lease.id for lease in sorted(self._leases.values(), key=lambda lease: lease.deadline)]

    def expired(self, now: float) -> list[int]:
        """Leases that have ended. A renewed one is found by its old deadline and put back with the new."""
        ended = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, lease_id = heapq.heappop(self._deadlines)
            lease = self._leases.get(lease_id)
            if lease is None:
                continue
            if lease.deadline > now:
                heapq.heappush(self._deadlines, (lease.deadline, lease_id))
            else:
                ended.append(lease_id)
        return ended

    def postpone(self, lease_id: int, deadline: float) -> None:
        """Let `expired` name a lease again."""
        lease = self._leases.get(lease_id)
        if lease is not None:
            lease.deadline = max(lease.deadline, deadline)
            heapq.heappush(self._deadlines, (lease.deadline, lease_id))

    def next_deadline(self) -> float | None:
        """Not later than the next end."""
        return self._deadlines[0][0] if self._deadlines else None

    def _add(self, lease: Lease) -> Lease:
        self._leases[lease.id] = lease
        heapq.heappush(self._deadlines, (lease.deadline, lease.id))
        return lease
