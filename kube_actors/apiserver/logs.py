"""Container logs: checked here, streamed from the node agent that has them.

Kubernetes: registry/core/pod/strategy.go LogLocation. The agent's address is in its Node's status; both sides
show certificates, and the agent's is valid for one name wherever it listens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from kube_actors.api import Obj, errors
from kube_actors.api.errors import Cause
from kube_actors.api.meta import get_path
from kube_actors.api.resources import NODES, PODS
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.failures import internal
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.request import Request
from kube_actors.rpc.channel import Channel, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2 as api
from kube_actors.rpc.pb import node_pb2
from kube_actors.rpc.tls import ClientTLS

NODE = node_pb2.DESCRIPTOR.services_by_name["Node"]


@dataclass(frozen=True, slots=True)
class LogOptions:
    """A PodLogOptions."""

    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since_seconds: int | None = None
    since_time: str = ""


class Logs:
    """Keeps a channel to each node agent that was asked, closed with `stop`."""

    def __init__(self, operations: Operations, cache: Cache, tls: ClientTLS | None) -> None:
        self._operations = operations
        self._cache = cache
        self._tls = tls
        self._channels: dict[str, Channel] = {}

    async def stop(self) -> None:
        channels = list(self._channels.values())
        self._channels.clear()
        for channel in channels:
            await channel.close()

    async def open(self, request: Request, options: LogOptions) -> AsyncIterator[bytes] | None:
        """The log's chunks; None where the pod has no node yet and so no log."""
        self._operations.authorize(request, "get")
        _check(request.target.name, options)
        await self._cache.fresh()
        entry = self._cache.bucket(PODS).get(f"{request.target.namespace}/{request.target.name}")
        if entry is None:
            raise errors.not_found("pods", "", request.target.name)
        pod = entry.decode()
        container = _container(pod, options.container)
        node = get_path(pod, "spec", "nodeName", default="")
        if not node:
            return None
        message = api.LogsRequest(
            namespace=request.target.namespace,
            pod=request.target.name,
            container=container,
            follow=options.follow,
            previous=options.previous,
            timestamps=options.timestamps,
            tail_lines=options.tail_lines,
            limit_bytes=options.limit_bytes,
            since_seconds=options.since_seconds,
            since_time=options.since_time,
        )
        return await self._begun(node, message)

    async def _begun(self, node: str, message: api.LogsRequest) -> AsyncIterator[bytes]:
        """The stream, once its first chunk is there: a refusal is an error, not the end of a log."""
        stream = Stub(self._channel(node), NODE).stream("Logs", message)
        try:
            first = await anext(stream, None)
        except RpcError as error:
            raise internal(f"the agent of node {node} cannot be asked for logs: {error}") from error

        async def chunks() -> AsyncIterator[bytes]:
            try:
                if first is not None:
                    yield first.data
                async for chunk in stream:
                    yield chunk.data
            finally:
                await stream.aclose()

        return chunks()

    def _channel(self, node: str) -> Channel:
        entry = self._cache.bucket(NODES).get(node)
        if entry is None:
            raise errors.not_found("nodes", "", node)
        address = agent_address(entry.decode())
        if self._tls is None:
            raise internal("this API server has no certificate to call nodes with")
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = Channel((address,), self._tls)
        return channel


def agent_address(node: Obj) -> str:
    """HOST:PORT of a node's agent. Raises Unavailable where its status does not say."""
    port = get_path(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port")
    addresses = get_path(node, "status", "addresses", default=[])
    for address in addresses:
        if address.get("type") == "InternalIP" and port:
            host = address["address"]
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    name = node["metadata"]["name"]
    raise errors.Unavailable(f"node {name} has not told its address yet; try again when it is ready")


def _check(name: str, options: LogOptions) -> None:
    causes = []
    if options.tail_lines is not None and options.tail_lines < 0:
        text = f"Invalid value: {options.tail_lines}: must be greater than or equal to 0"
        causes.append(Cause("FieldValueInvalid", text, "tailLines"))
    if options.limit_bytes is not None and options.limit_bytes < 1:
        text = f"Invalid value: {options.limit_bytes}: must be greater than 0"
        causes.append(Cause("FieldValueInvalid", text, "limitBytes"))
    if options.since_seconds is not None and options.since_time:
        causes.append(
            Cause("FieldValueForbidden", "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified", "")
        )
    elif options.since_seconds is not None and options.since_seconds < 1:
        text = f"Invalid value: {options.since_seconds}: must be greater than 0"
        causes.append(Cause("FieldValueInvalid", text, "sinceSeconds"))
    if causes:
        raise errors.invalid("PodLogOptions", "", name, causes)


def _container(pod: Obj, wanted: str) -> str:
    """The container that is meant, by its name or because there is one only. Raises BadRequest."""
    spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
    names = {kind: [one["name"] for one in spec.get(kind) or ()] for kind in _CONTAINER_KINDS}
    if wanted:
        if not any(wanted in found for found in names.values()):
            raise errors.BadRequest(f"container {wanted} is not valid for pod {name}")
        return wanted
    default = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    containers = names["containers"]
    if len(containers) == 1 or default in containers:
        return str(default if default in containers else containers[0])
    text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]"
    if names["initContainers"]:
        text += f" or one of the init containers: [{' '.join(names['initContainers'])}]"
    raise errors.BadRequest(text)


_CONTAINER_KINDS = ("containers", "initContainers", "ephemeralContainers")
