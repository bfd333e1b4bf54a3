"""Puts reservations and services right where they have come apart: after a crash between two writes, or a restore.

Every three minutes, as kube-apiserver's repair loops do:
    an address or port of a service that nobody has reserved    is reserved for it
    a reservation whose service is gone or has another          is given free, once it is old enough
    two services with one address or port                       are told in the log; which of them is right nobody knows
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import structlog

from kube_actors.aio.clock import Clock, parse_rfc3339
from kube_actors.api import Obj, encoding
from kube_actors.api.errors import StoreError
from kube_actors.api.resources import SERVICES
from kube_actors.apiserver.registry.allocation import (
    IP_ADDRESSES,
    NODE_PORTS,
    ORPHAN_SECONDS,
    Allocators,
    Owner,
    Taken,
)
from kube_actors.apiserver.storage import KV, Storage
from kube_actors.store.errors import RevisionConflict

log = structlog.get_logger(__name__)

PERIOD = 180.0


@dataclass(frozen=True, slots=True)
class Reservation:
    """What the store has for an address or a port. `revision`: it is given free only as it was read."""

    key: bytes
    owner: Owner
    created: float
    revision: int


@dataclass(frozen=True, slots=True)
class Repairs:
    """`take`: what to reserve, for whom. `free`: what nobody has. `clashes`: what two have, and who."""

    take: tuple[tuple[str, Owner], ...] = ()
    free: tuple[Reservation, ...] = ()
    clashes: tuple[tuple[str, Owner, Owner], ...] = ()


def plan(used: Iterable[tuple[str, Owner]], reserved: Mapping[str, Reservation], now: float) -> Repairs:
    """`used`: what services have; `reserved`: by address or port."""
    owners: dict[str, Owner] = {}
    take: list[tuple[str, Owner]] = []
    clashes: list[tuple[str, Owner, Owner]] = []
    for value, owner in used:
        first = owners.setdefault(value, owner)
        if first != owner:
            clashes.append((value, first, owner))
        elif value not in reserved:
            take.append((value, owner))
    free = [
        reservation
        for value, reservation in reserved.items()
        if owners.get(value) != reservation.owner and now - reservation.created >= ORPHAN_SECONDS
    ]
    return Repairs(tuple(take), tuple(free), tuple(clashes))


def addresses_of(service: Obj) -> Iterator[str]:
    yield from (ip for ip in service["spec"].get("clusterIPs") or () if ip not in ("", "None"))


def ports_of(service: Obj) -> Iterator[str]:
    numbers = [port.get("nodePort") for port in service["spec"].get("ports") or ()]
    numbers.append(service["spec"].get("healthCheckNodePort"))
    # One number may serve TCP and UDP.
    yield from dict.fromkeys(str(number) for number in numbers if number)


class Repairer:
    """The loop. Several servers do no harm: each write is on condition of what was read."""

    def __init__(self, storage: Storage, allocators: Allocators, clock: Clock) -> None:
        self._storage, self._allocators, self._clock = storage, allocators, clock

    async def run(self) -> None:
        while True:
            await self._clock.sleep(PERIOD)
            try:
                await self.look()
            except StoreError as error:
                log.warning("services are not compared with their reservations", reason=str(error))

    async def look(self) -> None:
        """One comparison."""
        # Reservations first: one that is made meanwhile belongs to a service that is read after it.
        addresses = await self._reserved(IP_ADDRESSES.store_prefix)
        ports = await self._reserved(NODE_PORTS)
        services = [encoding.loads(kv.value) for kv in await self._all(SERVICES.store_prefix)]
        now = self._clock.now()
        for of, reserved, kind in ((addresses_of, addresses, "ip"), (ports_of, ports, "port")):
            used = [(value, Owner.of(service)) for service in services for value in of(service)]
            await self._perform(plan(used, reserved, now), kind)

    async def _perform(self, repairs: Repairs, kind: str) -> None:
        for value, owner in repairs.take:
            log.warning("not allocated; repairing", **{kind: value}, service=f"{owner.namespace}/{owner.name}")
            try:
                if kind == "ip":
                    await self._allocators.take_ip(value, owner)
                else:
                    await self._allocators.take_port(int(value), owner)
            except Taken:
                continue
        for reservation in repairs.free:
            log.info("given free", key=reservation.key.decode())
            try:
                await self._storage.delete(reservation.key, expected_revision=reservation.revision)
            except RevisionConflict:
                continue
        for value, first, second in repairs.clashes:
            names = [f"{owner.namespace}/{owner.name}" for owner in (first, second)]
            log.error("two services have it; recreate one of them", **{kind: value}, services=names)

    async def _reserved(self, prefix: str) -> dict[str, Reservation]:
        found: dict[str, Reservation] = {}
        for kv in await self._all(prefix):
            obj = encoding.loads(kv.value)
            parent = (obj.get("spec") or {}).get("parentRef") or {}
            owner = Owner(str(parent.get("namespace") or ""), str(parent.get("name") or ""))
            created = parse_rfc3339(obj["metadata"]["creationTimestamp"])
            found[kv.key.decode().rpartition("/")[2]] = Reservation(kv.key, owner, created, kv.mod_revision)
        return found

    async def _all(self, prefix: str) -> list[KV]:
        return list((await self._storage.range(prefix.encode())).kvs)
