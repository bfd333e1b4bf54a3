"""From a path to the stream that it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube_actors.apiserver.operations import method_not_allowed
from kube_actors.apiserver.request import Request, Target, User
from kube_actors.apiserver.rest.connect import negotiating
from kube_actors.apiserver.rest.connect.commands import Commands
from kube_actors.apiserver.rest.connect.ports import Ports
from kube_actors.apiserver.rest.exchange import Answer, Exchange
from kube_actors.apiserver.rest.paths import ResourcePath

if TYPE_CHECKING:
    from kube_actors.apiserver.server import Pipeline

_STREAMS = ("exec", "attach", "portforward")


def handles(path: ResourcePath) -> bool:
    """Whether the path is one of those that become streams."""
    return path.resource == "pods" and path.subresource in _STREAMS and not path.group


class ConnectHandler:
    """Every method on the paths that `handles` knows."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._resources = pipeline.resources
        commands = Commands(pipeline.streams)
        self._kinds: dict[str, Commands | Ports] = {
            "exec": commands,
            "attach": commands,
            "portforward": Ports(pipeline.streams),
        }

    async def answer(self, exchange: Exchange, user: User, path: ResourcePath) -> Answer:
        exchange.verb = "CONNECT"
        resource = self._resources.find(path.group, path.version, path.resource)
        assert resource is not None
        request = Request(user, Target(resource, path.namespace, path.name, path.subresource), exchange.warnings)
        return await self._kinds[path.subresource].answer(exchange, request, _verbs(exchange))


def _verbs(exchange: Exchange) -> tuple[str, ...]:
    """A WebSocket has to begin with GET; who may only read shall not run commands by it, as of Kubernetes 1.35."""
    method = exchange.request.method
    if method not in ("GET", "POST"):
        raise method_not_allowed()
    if method == "POST":
        return ("create",)
    return ("get", "create") if negotiating.upgrade_of(exchange.request) == negotiating.WEBSOCKET else ("get",)
