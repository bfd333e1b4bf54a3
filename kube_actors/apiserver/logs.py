"""Container logs: checked here, streamed from the node agent that has them.

Kubernetes: registry/core/pod/strategy.go LogLocation.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from kube_actors.api import errors
from kube_actors.api.container_choice import container_of
from kube_actors.api.errors import Cause
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.failures import internal
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.request import Request
from kube_actors.apiserver.streams.agents import Agents
from kube_actors.apiserver.streams.locate import find_pod
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2 as api


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
    """Opens the logs of containers for users who may read them."""

    def __init__(self, operations: Operations, cache: Cache, agents: Agents) -> None:
        self._operations = operations
        self._cache = cache
        self._agents = agents

    async def open(self, request: Request, options: LogOptions) -> AsyncIterator[bytes] | None:
        """The log's chunks; None where the pod has no node yet and so no log."""
        self._operations.authorize(request, "get")
        _check(request.target.name, options)
        pod = await find_pod(self._cache, request.target.namespace, request.target.name)
        container = container_of(pod, options.container)
        node = pod["spec"].get("nodeName")
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
        stream = self._agents.stub(node).stream("Logs", message)
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
