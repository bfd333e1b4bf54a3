"""Opens conversations with node agents for users who may."""

from __future__ import annotations

from contextlib import suppress

from kube_actors.api import Obj, errors
from kube_actors.api.container_choice import container_of
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.failures import internal
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.request import Request
from kube_actors.apiserver.streams.agents import Agents
from kube_actors.apiserver.streams.locate import find_pod, node_of
from kube_actors.apiserver.streams.options import ExecOptions
from kube_actors.rpc.channel import Conversation
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2 as pb

METHODS = {"exec": "Exec", "attach": "Attach"}


class PodSession:
    """A pod that a user may open sessions with: found, allowed, on a node."""

    def __init__(self, agents: Agents, node: str, ref: pb.ContainerRef) -> None:
        self._agents = agents
        self.node = node
        self.ref = ref

    async def open(self, subresource: str, options: ExecOptions) -> Conversation:
        """The session, once it stands. Raises ApiErrors; the caller cancels the conversation."""
        session = self._agents.stub(self.node).open(METHODS[subresource])
        opening = pb.ExecOpen(
            ref=self.ref,
            command=options.command,
            stdin=options.stdin,
            stdout=options.stdout,
            stderr=options.separate_stderr,
            tty=options.tty,
        )
        return await begun(session, pb.ExecInput(open=opening), self.node)

    async def dial(self, port: int) -> Conversation:
        """A connection to a port of the pod. Raises ApiErrors; the caller cancels the conversation."""
        session = self._agents.stub(self.node).open("Dial")
        return await begun(session, pb.DialData(ref=self.ref, port=port), self.node)


class Streams:
    """The first half of every session, the same for all edges."""

    def __init__(self, operations: Operations, cache: Cache, agents: Agents) -> None:
        self._operations = operations
        self._cache = cache
        self._agents = agents

    async def of_container(self, request: Request, verbs: tuple[str, ...], container: str) -> PodSession:
        """For exec and attach. `verbs`: what the user has to be allowed."""
        return await self._locate(request, verbs, container)

    async def of_pod(self, request: Request, verbs: tuple[str, ...]) -> PodSession:
        """For port-forward and the proxy."""
        return await self._locate(request, verbs, None)

    async def _locate(self, request: Request, verbs: tuple[str, ...], container: str | None) -> PodSession:
        for verb in verbs:
            self._operations.authorize(request, verb)
        pod = await find_pod(self._cache, request.target.namespace, request.target.name)
        return self.session(pod, "" if container is None else container_of(pod, container))

    def session(self, pod: Obj, container: str = "") -> PodSession:
        """Of a pod that the user was allowed otherwise. Raises BadRequest for one without a node."""
        meta = pod["metadata"]
        ref = pb.ContainerRef(namespace=meta["namespace"], pod=meta["name"], uid=meta["uid"], container=container)
        return PodSession(self._agents, node_of(pod), ref)


async def begun(session: Conversation, opening: object, node: str) -> Conversation:
    """Send the opening and wait for the answer that says that the session stands."""
    try:
        with suppress(RpcError):
            # Where the stream has ended before the opening was out, only `read` knows why.
            await session.write(opening)
        first = await session.read()
    except RpcError as error:
        raise internal(f"the agent of node {node} cannot be asked: {error.message}") from error
    except BaseException:
        session.cancel()
        raise
    if first is None:
        raise errors.Unavailable(f"the agent of node {node} ended the session at once")
    return session
