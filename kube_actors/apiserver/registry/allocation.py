"""Addresses and ports that belong to one service at a time, however many API servers give them out.

A cluster IP is an IPAddress object of networking.k8s.io, a node port a key below /registry/ranges/: who
creates it owns it, for the store creates a key once. What a crash between the reservation and the service's
own write leaves behind is taken over when somebody next asks for it, once it is old enough.
"""

from __future__ import annotations

import ipaddress
import random
import uuid
from dataclasses import dataclass

from kube_actors.aio.clock import Clock, parse_rfc3339, rfc3339
from kube_actors.api import Obj, encoding
from kube_actors.api.resources import SERVICES, builtin
from kube_actors.apiserver.storage import KV, Storage
from kube_actors.store.errors import RevisionConflict

IP_ADDRESSES = builtin("networking.k8s.io/v1", "ipaddresses")
NODE_PORTS = "/registry/ranges/servicenodeports/"
# A reservation without its service is taken over after this time; a create takes milliseconds.
ORPHAN_SECONDS = 60.0
TRIES = 64


class Taken(Exception):
    """Somebody else has it."""


class Exhausted(Exception):
    """There is none left."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The service that an address or a port is for."""

    namespace: str
    name: str

    @classmethod
    def of(cls, service: Obj) -> Owner:
        return cls(service["metadata"]["namespace"], service["metadata"]["name"])


class Allocators:
    """Both kinds of reservations."""

    def __init__(self, storage: Storage, clock: Clock, service_cidr: str, ports: tuple[int, int]) -> None:
        self._storage = storage
        self._clock = clock
        self.network = ipaddress.ip_network(service_cidr)
        self.ports = ports
        # As kube-apiserver: the first addresses are left for those who choose one themselves.
        self._band = min(max(16, self.network.num_addresses // 16), 256)
        if self.network.num_addresses < 2 * self._band:
            self._band = 1

    @property
    def first_ip(self) -> str:
        """The address of Service default/kubernetes."""
        return str(self.network[1])

    def usable(self, ip: str) -> bool:
        """Whether it is an address of the range, network and broadcast address left out."""
        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            return False
        return address in self.network and address not in (self.network[0], self.network[-1])

    async def any_ip(self, owner: Owner) -> str:
        """A free address, by chance. Raises Exhausted."""
        last = self.network.num_addresses - 2
        for attempt in range(TRIES):
            low = self._band if attempt < TRIES // 2 else 1
            candidate = str(self.network[random.randint(low, last)])
            try:
                await self.take_ip(candidate, owner)
            except Taken:
                continue
            return candidate
        for number in range(1, last + 1):
            candidate = str(self.network[number])
            try:
                await self.take_ip(candidate, owner)
            except Taken:
                continue
            return candidate
        raise Exhausted("range is full")

    async def take_ip(self, ip: str, owner: Owner) -> None:
        """Raises Taken."""
        family = "IPv6" if ":" in ip else "IPv4"
        parent = {"resource": "services", "namespace": owner.namespace, "name": owner.name}
        metadata = {
            "labels": {
                "ipaddress.kubernetes.io/ip-family": family,
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            }
        }
        obj = self._object("IPAddress", "networking.k8s.io/v1", ip, metadata, {"parentRef": parent})
        await self._take(IP_ADDRESSES.store_key("", ip), obj, "clusterIPs", ip)

    async def free_ip(self, ip: str) -> None:
        await self._storage.delete(IP_ADDRESSES.store_key("", ip).encode())

    async def any_port(self, owner: Owner) -> int:
        """A free node port, by chance. Raises Exhausted."""
        low, high = self.ports
        for port in random.sample(range(low, high + 1), high - low + 1):
            try:
                await self.take_port(port, owner)
            except Taken:
                continue
            return port
        raise Exhausted("range is full")

    async def take_port(self, port: int, owner: Owner) -> None:
        """Raises Taken."""
        parent = {"namespace": owner.namespace, "name": owner.name}
        obj = self._object("NodePort", "kube-actors.io/v1", str(port), {}, {"parentRef": parent})
        await self._take(f"{NODE_PORTS}{port}", obj, "nodePort", str(port))

    async def free_port(self, port: int) -> None:
        await self._storage.delete(f"{NODE_PORTS}{port}".encode())

    def _object(self, kind: str, api_version: str, name: str, metadata: Obj, spec: Obj) -> Obj:
        full = {
            "name": name,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": rfc3339(self._clock.now()),
            **metadata,
        }
        return {"kind": kind, "apiVersion": api_version, "metadata": full, "spec": spec}

    async def _take(self, key: str, obj: Obj, field: str, value: str) -> None:
        expected = 0
        for _ in range(2):
            try:
                await self._storage.put(key.encode(), encoding.encode(obj), expected_revision=expected)
                return
            except RevisionConflict as conflict:
                if conflict.current is None:
                    expected = 0
                elif await self._is_orphan(conflict.current, field, value):
                    expected = conflict.current.mod_revision
                else:
                    break
        raise Taken(value)

    async def _is_orphan(self, kv: KV, field: str, value: str) -> bool:
        """Whether the service that it was taken for does not have it, though it had time enough to."""
        reservation = encoding.loads(kv.value)
        if self._clock.now() - parse_rfc3339(reservation["metadata"]["creationTimestamp"]) < ORPHAN_SECONDS:
            return False
        parent = reservation["spec"]["parentRef"]
        key = SERVICES.store_key(parent.get("namespace", ""), parent.get("name", ""))
        found, _ = await self._storage.get(key.encode())
        if found is None:
            return True
        spec = encoding.loads(found.value).get("spec") or {}
        if field == "clusterIPs":
            return value not in (spec.get("clusterIPs") or [])
        return not any(str(port.get("nodePort")) == value for port in spec.get("ports") or ())
