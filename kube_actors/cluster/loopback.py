"""Loopback ranges of pods and services: each cluster of a machine has a pair of its own.

All of 127.0.0.0/8 is everybody's. Two clusters with the same service range would answer for each other, because the
second cannot listen where the first does.

a cluster begins ─> `choose`: the first pair that nobody claims and nobody listens in, kept in the cluster's folder,
                    for services and nodes keep their addresses over a restart
its first node starts ─> `Claim`: a socket of that name in the kernel, which goes with the process
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path

from kube_actors.api.errors import ConfigError

# (pods, services). A range of pods has room for 4096 nodes.
PAIRS = tuple((f"127.{128 + 16 * n}.0.0/12", f"127.{96 + 4 * n}.0.0/14") for n in range(8))
_LISTENING = "0A"
# What `choose` holds until the node of the same process claims it: others choose at the same time.
_kept: dict[str, socket.socket] = {}


def choose(remembered: Path, *, keep: bool = False) -> tuple[str, str]:
    """The pair of the cluster whose file this is; `keep`: its first node will start in this process. Raises ConfigError
    where all are taken."""
    known = _read(remembered)
    if known is not None:
        return known
    listening = list(_listeners())
    for pair in PAIRS:
        networks = [ipaddress.ip_network(each) for each in pair]
        used = any(address in network for network in networks for address in listening)
        if not used and _take(pair, keep=keep):
            remembered.write_text("\n".join(pair) + "\n")
            return pair
    raise ConfigError(
        f"network: {len(PAIRS)} clusters have loopback addresses here already; end one, or set podCIDR and serviceCIDR"
    )


class Claim:
    """Holds a range for this process. One for each range and machine."""

    def __init__(self, cidr: str) -> None:
        self._cidr = cidr
        self._socket: socket.socket | None = None

    async def start(self) -> None:
        """Raises ConfigError where another cluster has the range."""
        try:
            self._socket = _kept.pop(self._cidr, None) or _claim(self._cidr)
        except OSError as error:
            text = f"another cluster of this machine has the range {self._cidr}; end it, or give this one another"
            raise ConfigError(f"network: {text} (podCIDR, serviceCIDR)") from error

    async def stop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _claim(cidr: str) -> socket.socket:
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        # A name that begins with a null byte is in no file system, and as private to a machine as loopback addresses.
        held.bind(f"\0kube-actors {ipaddress.ip_network(cidr)}")
    except OSError:
        held.close()
        raise
    return held


def _take(pair: tuple[str, str], *, keep: bool) -> bool:
    """Whether nobody claims the pair."""
    held: dict[str, socket.socket] = {}
    try:
        for cidr in pair:
            held[cidr] = _claim(cidr)
    except OSError:
        keep = False
    if keep:
        _kept.update(held)
    else:
        for each in held.values():
            each.close()
    return len(held) == len(pair)


def _listeners() -> Iterator[ipaddress.IPv4Address]:
    """The addresses at which somebody on this machine listens."""
    try:
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        _, local, _, state = line.split()[:4]
        if state == _LISTENING:
            # The kernel writes an address as the number that it is in memory.
            yield ipaddress.IPv4Address(socket.ntohl(int(local.partition(":")[0], 16)))


def _read(remembered: Path) -> tuple[str, str] | None:
    try:
        pods, services = remembered.read_text().split()
        ipaddress.ip_network(pods), ipaddress.ip_network(services)
    except (OSError, ValueError):
        return None
    return pods, services
