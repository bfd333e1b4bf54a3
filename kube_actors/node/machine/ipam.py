"""Addresses of pods from the node's range."""

from __future__ import annotations

import ipaddress

from kube_actors.node.runtime.interface import RuntimeFailure


class AddressPool:
    """Hands out the addresses of one range, going round, so that an address rests before it comes again.

    The network, the first address (the gateway of the pods' bridge) and the broadcast address are not
    handed out. What is in use after a restart is learned from the runtime by `reserve`.
    """

    def __init__(self, cidr: str = "") -> None:
        self._in_use: dict[str, str] = {}
        self._network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
        self._next = 0
        if cidr:
            self.set_range(cidr)

    @property
    def cidr(self) -> str:
        return str(self._network) if self._network else ""

    def set_range(self, cidr: str) -> None:
        """Raises ValueError where `cidr` is no range."""
        self._network = ipaddress.ip_network(cidr)

    def reserve(self, owner: str, ip: str) -> None:
        """`owner` has this address already."""
        if ip:
            self._in_use[ip] = owner

    def allocate(self, owner: str) -> str:
        """The owner's address: the one it has, or a free one. Raises RuntimeFailure where there is none."""
        for ip, holder in self._in_use.items():
            if holder == owner:
                return ip
        if self._network is None:
            raise RuntimeFailure("the node has no pod CIDR assigned", "NetworkNotReady")
        usable = self._network.num_addresses - 3
        for step in range(max(usable, 0)):
            offset = 2 + (self._next + step) % usable
            ip = str(self._network[offset])
            if ip not in self._in_use:
                self._next = (offset - 1) % usable
                self._in_use[ip] = owner
                return ip
        raise RuntimeFailure(f"no IP addresses available in range set: {self._network}", "NetworkNotReady")

    def release(self, owner: str) -> None:
        self._in_use = {ip: holder for ip, holder in self._in_use.items() if holder != owner}
