"""From a path to the stream that it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube_actors.apiserver.operations import method_not_allowed
from kube_actors.apiserver.request import Request, Target, User
from kube_actors.apiserver.rest.connect import negotiating
from kube_actors.apiserver.rest.connect.commands import Commands
from kube_actors.apiserver.rest.connect.kubelet import Kubelet
from kube_actors.apiserver.rest.connect.locations import Locations
from kube_actors.apiserver.rest.connect.ports import Ports
from kube_actors.apiserver.rest.connect.proxy import Proxies
from kube_actors.apiserver.rest.exchange import Answer, Exchange
from kube_actors.apiserver.rest.paths import ResourcePath
from kube_actors.apiserver.rest.resources import not_found_path

if TYPE_CHECKING:
    from kube_actors.apiserver.server import Pipeline

_OF_PODS = ("exec", "attach", "portforward", "proxy")


def handles(path: ResourcePath) -> bool:
    """Whether the path is one of those that become streams."""
    if path.group or path.version != "v1":
        return False
    if path.resource == "pods":
        return path.subresource in _OF_PODS
    return path.subresource == "proxy" and path.resource in ("services", "nodes")


class ConnectHandler:
    """Every method on the paths that `handles` knows."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._resources = pipeline.resources
        commands, ports = Commands(pipeline.streams, pipeline.operations), Ports(pipeline.streams, pipeline.operations)
        self._sessions: dict[str, Commands | Ports] = {"exec": commands, "attach": commands, "portforward": ports}
        locations = Locations(pipeline.cache, pipeline.streams, pipeline.agents)
        self._proxies = Proxies(pipeline.operations, locations, Kubelet(pipeline.cache, pipeline.agents))

    async def answer(self, exchange: Exchange, user: User, path: ResourcePath) -> Answer:
        exchange.verb = "CONNECT"
        resource = self._resources.find(path.group, path.version, path.resource)
        assert resource is not None
        if resource.namespaced != bool(path.namespace):
            raise not_found_path()
        target = Target(resource, path.namespace, path.name, path.subresource)
        request = Request(user, target, exchange.warnings, exchange.annotations)
        if path.subresource == "proxy":
            return await self._proxies.answer(exchange, request)
        if path.rest:
            raise not_found_path()
        return await self._sessions[path.subresource].answer(exchange, request, _verbs(exchange))


def _verbs(exchange: Exchange) -> tuple[str, ...]:
    """A WebSocket has to begin with GET; who may only read shall not run commands by it, as of Kubernetes 1.35."""
    method = exchange.request.method
    if method not in ("GET", "POST"):
        raise method_not_allowed()
    if method == "POST":
        return ("create",)
    return ("get", "create") if negotiating.upgrade_of(exchange.request) == negotiating.WEBSOCKET else ("get",)
