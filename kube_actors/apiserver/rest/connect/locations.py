"""From the name in a proxy's path to what it leads to.

Names are NAME, NAME:PORT or SCHEME:NAME:PORT. Kubernetes: apimachinery/pkg/util/net/port_split.go,
registry/core/{pod/strategy.go,service/storage/storage.go,node/strategy.go} ResourceLocation.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from kube_actors.api import Obj, errors
from kube_actors.api.resources import ENDPOINTS, SERVICES, Resource
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.request import Target
from kube_actors.apiserver.rest.connect.reach import Location, directly, through_node
from kube_actors.apiserver.streams import Streams
from kube_actors.apiserver.streams.agents import Agents, internal_ip
from kube_actors.apiserver.streams.locate import find_pod

AGENT_PORT = "10250"


@dataclass(frozen=True, slots=True)
class Name:
    """The three parts of a name; scheme and port may be empty."""

    scheme: str
    name: str
    port: str


def split(text: str, kind: str) -> Name:
    """Raises BadRequest. `kind` is what the text names, in the singular."""
    parts = text.split(":")
    scheme, name, port = {1: ("", *parts, ""), 2: ("", *parts), 3: tuple(parts)}.get(len(parts), ("", "", ""))
    if not name or scheme not in ("", "http", "https"):
        raise errors.BadRequest(f'invalid {kind} request "{text}"')
    return Name(scheme, name, port)


class Locations:
    """Finds pods and services in the cache."""

    def __init__(self, cache: Cache, streams: Streams, agents: Agents) -> None:
        self._cache = cache
        self._streams = streams
        self._agents = agents

    async def find(self, target: Target) -> Location:
        """Raises NotFound, BadRequest, Unavailable."""
        if target.resource.plural == "pods":
            return await self._pod(target)
        if target.resource.plural == "services":
            return await self._service(target)
        return self._node(target)

    async def _pod(self, target: Target) -> Location:
        name = split(target.name, "pod")
        pod = await find_pod(self._cache, target.namespace, name.name)
        port = _number(name.port or _first_port(pod) or _usual(name.scheme), f'invalid pod request "{target.name}"')
        address = (pod.get("status") or {}).get("podIP") or ""
        if not address:
            raise errors.BadRequest("address not allowed")
        session = self._streams.session(pod)
        return Location(name.scheme or "http", _joined(address, port), through_node(session, port))

    async def _service(self, target: Target) -> Location:
        name = split(target.name, "service")
        await self._cache.fresh()
        service = self._read(SERVICES, target.namespace, name.name)
        if service is None:
            raise errors.not_found("services", "", name.name)
        port = _port_name(service, name.port)
        address, number = self._endpoint(target.namespace, name.name, port)
        ip, pod = address["ip"], address.get("targetRef") or {}
        if pod.get("kind") == "Pod":
            session = self._streams.session(await find_pod(self._cache, target.namespace, pod["name"]))
            dial = through_node(session, number)
        else:
            dial = directly(ip, number)
        return Location(name.scheme or "http", _joined(ip, number), dial)

    def _endpoint(self, namespace: str, name: str, port: str) -> tuple[Obj, int]:
        """A ready address of a service's port, by chance."""
        endpoints = self._read(ENDPOINTS, namespace, name)
        found: list[tuple[Obj, int]] = []
        for subset in (endpoints or {}).get("subsets") or ():
            numbers = [each["port"] for each in subset.get("ports") or () if (each.get("name") or "") == port]
            found += [(address, numbers[0]) for address in subset.get("addresses") or () if numbers]
        if not found:
            raise errors.Unavailable(f'no endpoints available for service "{name}"')
        return random.choice(found)

    def _node(self, target: Target) -> Location:
        name = split(target.name, "node")
        address = internal_ip(self._agents.node(name.name))
        port = _number(name.port, f'invalid node request "{target.name}"')
        return Location(name.scheme or "http", _joined(address, port), directly(address, port))

    def _read(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        entry = self._cache.bucket(resource).get(f"{namespace}/{name}")
        return None if entry is None else entry.decode()


def _port_name(service: Obj, port: str) -> str:
    """The name of the service's port; a number finds it, no port means the one without a name."""
    if not port.isdigit():
        return port
    for each in service["spec"].get("ports") or ():
        if each["port"] == int(port):
            return str(each.get("name") or "")
    name = service["metadata"]["name"]
    raise errors.Unavailable(f'no service port {port} found for service "{name}"')


def _first_port(pod: Obj) -> str:
    """The first port of the first container that has any."""
    ports: list[Any] = next((each["ports"] for each in pod["spec"]["containers"] if each.get("ports")), [])
    return str(ports[0]["containerPort"]) if ports else ""


def _usual(scheme: str) -> str:
    return "443" if scheme == "https" else "80"


def _number(port: str, complaint: str) -> int:
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise errors.BadRequest(complaint)
    return int(port)


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
