"""A range of pod addresses for each node, cut from the cluster's (range allocator of nodeipam)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.meta import is_deleting, name_of, uid_of
from kube_actors.api.resources import NODES
from kube_actors.controllers.actions import NORMAL, PatchObject, RecordEvent
from kube_actors.controllers.base import Context, Controller, NotYet

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def ranges_of(node: Obj) -> list[str]:
    spec = node["spec"]
    return list(spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else []))


class Ranges:
    """The ranges of one cluster CIDR: which are taken, by bitmap of their index. Pure.

    Ranges of nodes that chose theirs are respected, also where they lie across several.
    """

    def __init__(self, cluster: str, mask: int) -> None:
        """Raises ValueError for a mask that does not fit into the range."""
        self._cluster: Network = ipaddress.ip_network(cluster)
        if not self._cluster.prefixlen <= mask <= self._cluster.max_prefixlen:
            raise ValueError(f"node CIDR mask size {mask} does not fit into the cluster CIDR {cluster}")
        self._mask = mask
        self._count = 1 << (mask - self._cluster.prefixlen)
        self._size = 1 << (self._cluster.max_prefixlen - mask)
        self._taken: set[int] = set()
        self._next = 0

    def take(self, cidr: str) -> None:
        self._taken.update(self._indices(cidr))

    def release(self, cidr: str) -> None:
        self._taken.difference_update(self._indices(cidr))

    def allocate(self) -> str | None:
        """The next free one, in a circle, so that a range that was just freed is not used again at once."""
        for step in range(self._count):
            index = (self._next + step) % self._count
            if index not in self._taken:
                self._taken.add(index)
                self._next = (index + 1) % self._count
                start = int(self._cluster.network_address) + index * self._size
                return f"{type(self._cluster.network_address)(start)}/{self._mask}"
        return None

    def _indices(self, cidr: str) -> range:
        network = ipaddress.ip_network(cidr, strict=False)
        if network.version != self._cluster.version or not network.overlaps(self._cluster):
            return range(0)
        base = int(self._cluster.network_address)
        first = max((int(network.network_address) - base) // self._size, 0)
        last = min((int(network.broadcast_address) - base) // self._size, self._count - 1)
        return range(first, last + 1)


def taken(nodes: Iterable[Obj]) -> list[str]:
    return [cidr for node in nodes for cidr in ranges_of(node)]


class NodeIpamController(Controller):
    """Gives each node without spec.podCIDR one. Keys are nodes; does nothing without a cluster CIDR."""

    name = "node-ipam"
    event_source = "cidrAllocator"
    # One: an allocation is a decision over all nodes.
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = self.informer(NODES)
        config = context.config
        self.ranges = Ranges(config.cluster_cidr, config.node_cidr_mask_size) if config.cluster_cidr else None
        self._allocated: dict[str, str] = {}
        self.enqueue_from(self.nodes)

    async def ready(self) -> None:
        """Every range that a node has is taken before the first is given out."""
        if self.ranges is not None:
            for cidr in taken(self.nodes.list()):
                self.ranges.take(cidr)

    async def sync(self, key: str) -> None:
        if self.ranges is None:
            return
        node = self.nodes.get(key)
        if node is None:
            if (freed := self._allocated.pop(key, None)) is not None:
                self.ranges.release(freed)
            return
        if present := ranges_of(node):
            self._allocated[key] = present[0]
            self.ranges.take(present[0])
            return
        if not is_deleting(node):
            await self._allocate(key, node)

    async def _allocate(self, key: str, node: Obj) -> None:
        assert self.ranges is not None
        # A patch that failed half-way may have succeeded: the same range again, not another.
        cidr = self._allocated.get(key) or self.ranges.allocate()
        if cidr is None:
            text = f"Node {name_of(node)} status is now: CIDRNotAvailable"
            await self.perform(key, [RecordEvent(node, NORMAL, "CIDRNotAvailable", text)])
            raise NotYet("failed to allocate cidr from cluster cidr: there are no remaining CIDRs left")
        self._allocated[key] = cidr
        patch = {"metadata": {"uid": uid_of(node)}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}
        (await self.perform(key, [PatchObject(NODES, "", key, patch)])).raise_error()
