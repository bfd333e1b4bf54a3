"""Applying the table of services to the kernel: `nft`, and the routes that keep service traffic here."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import pathlib
import shutil

import structlog
from pyroute2 import IPRoute, NetlinkError

from kube_actors.api.errors import ConfigError
from kube_actors.network.nftables import render
from kube_actors.network.services import ServicePort

log = structlog.get_logger(__name__)

BRIDGE_NETFILTER = pathlib.Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
IP_FORWARD = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
SINK = "kube-actors0"
# Behind every real route to a pod range, so that only addresses nobody has end at the sink.
SINK_METRIC = 10_000


class NftablesBackend:
    """Kernel forwarding. What it set up stays when the node agent stops: services go on working."""

    def __init__(self, cluster: str, service_cidr: str, pod_cidr: str) -> None:
        self._table = f"kube-actors-{cluster}"
        self._service_cidr = service_cidr
        self._pod_cidr = pod_cidr
        self._masquerade_pods = ""

    async def start(self) -> None:
        """Raises ConfigError where the kernel or the rights do not suffice."""
        if shutil.which("nft") is None:
            raise ConfigError("services need the program nft: install the package nftables")
        try:
            await asyncio.to_thread(self._prepare_routes)
        except (NetlinkError, OSError) as error:
            raise ConfigError(f"services need the right to change routes (run as root): {error}") from error

    async def stop(self) -> None:
        """Leave everything as it is: pods go on talking while the agent restarts."""

    async def apply(self, table: tuple[ServicePort, ...]) -> None:
        """Replace all rules in one transaction. Raises OSError where nft refuses."""
        await _nft(render(table, self._table, masquerade_pods=self._masquerade_pods))

    async def remove(self) -> None:
        """Undo everything, at the end of the cluster."""
        await _nft(f"add table ip {self._table}\ndelete table ip {self._table}\n")
        await asyncio.to_thread(_remove_sink)

    def _prepare_routes(self) -> None:
        IP_FORWARD.write_text("1")
        # Answers between pods of one bridge pass the host's NAT only if the bridge hands them to it.
        if BRIDGE_NETFILTER.exists():
            BRIDGE_NETFILTER.write_text("1")
        else:
            self._masquerade_pods = self._pod_cidr
        with IPRoute() as routes:
            index = _sink(routes)
            routes.link("set", index=index, state="up")
            for cidr in (self._service_cidr, self._pod_cidr):
                routes.route("replace", dst=cidr, oif=index, priority=SINK_METRIC)


def _sink(routes: IPRoute) -> int:
    """The index of a device that swallows what is sent to it: a dummy, or a bridge without ports.

    A blackhole route would not do: it refuses a packet before the rules could give it an endpoint.
    """
    for kind in ("dummy", "bridge"):
        if found := routes.link_lookup(ifname=SINK):
            return int(found[0])
        # The kernel has no such kind of device, or another agent of this machine made it just now.
        with contextlib.suppress(NetlinkError):
            routes.link("add", ifname=SINK, kind=kind)
    found = routes.link_lookup(ifname=SINK)
    if not found:
        raise OSError(errno.ENODEV, f"the kernel made no device {SINK}")
    return int(found[0])


def _remove_sink() -> None:
    with IPRoute() as routes:
        for index in routes.link_lookup(ifname=SINK):
            routes.link("del", index=index)


async def _nft(script: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "nft", "-f", "-", stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate(script.encode())
    if process.returncode != 0:
        raise OSError(errno.EINVAL, f"nft refused the rules: {stderr.decode(errors='replace').strip()[:500]}")
