"""Channels to node agents. The address of one is in its Node's status; both sides show certificates."""

from __future__ import annotations

from kube_actors.api import Obj, errors
from kube_actors.api.meta import get_path
from kube_actors.api.resources import NODES
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.failures import internal
from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.pb import node_pb2
from kube_actors.rpc.tls import ClientTLS

NODE = node_pb2.DESCRIPTOR.services_by_name["Node"]


class Agents:
    """Keeps a channel to each agent that was asked, closed with `stop`."""

    def __init__(self, cache: Cache, tls: ClientTLS | None) -> None:
        self._cache = cache
        self._tls = tls
        self._stubs: dict[str, tuple[Channel, Stub]] = {}

    async def stop(self) -> None:
        stubs = list(self._stubs.values())
        self._stubs.clear()
        for channel, _ in stubs:
            await channel.close()

    def stub(self, node: str) -> Stub:
        """The agent of a node. Raises NotFound, Unavailable for one without an address."""
        address = agent_address(self.node(node))
        if self._tls is None:
            raise internal("this API server has no certificate to call nodes with")
        known = self._stubs.get(address)
        if known is None:
            channel = Channel((address,), self._tls)
            known = self._stubs[address] = (channel, Stub(channel, NODE))
        return known[1]

    def node(self, name: str) -> Obj:
        """The Node as the cache has it. Raises NotFound."""
        entry = self._cache.bucket(NODES).get(name)
        if entry is None:
            raise errors.not_found("nodes", "", name)
        return entry.decode()


def agent_address(node: Obj) -> str:
    """HOST:PORT of a node's agent. Raises Unavailable where its status does not say."""
    port = get_path(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port")
    host = internal_ip(node)
    if host and port:
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    name = node["metadata"]["name"]
    raise errors.Unavailable(f"node {name} has not told its address yet; try again when it is ready")


def internal_ip(node: Obj) -> str:
    """The node's first InternalIP, or empty."""
    addresses = get_path(node, "status", "addresses", default=[])
    return next((str(each["address"]) for each in addresses if each.get("type") == "InternalIP"), "")
