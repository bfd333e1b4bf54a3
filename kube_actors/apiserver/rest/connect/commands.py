"""pods/exec and pods/attach."""

from __future__ import annotations

from kube_actors.api import Obj, errors
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.request import Request
from kube_actors.apiserver.rest import query
from kube_actors.apiserver.rest.connect import negotiating, protocols
from kube_actors.apiserver.rest.connect.negotiating import (
    ACCEPTED,
    SPDY,
    SPDY_PROTOCOLS,
    WEBSOCKET,
    WEBSOCKET_PROTOCOLS,
)
from kube_actors.apiserver.rest.connect.remote import converse
from kube_actors.apiserver.rest.connect.spdy_channels import SpdyChannels
from kube_actors.apiserver.rest.connect.takeover import Taken, switching, take_over
from kube_actors.apiserver.rest.connect.websockets import WebSocketChannels, accept
from kube_actors.apiserver.rest.exchange import Answer, Exchange
from kube_actors.apiserver.streams import ExecOptions, Streams
from kube_actors.apiserver.streams import status as statuses
from kube_actors.apiserver.streams.streams import PodSession


class Commands:
    """Answers with an upgrade, or refuses with a Status."""

    def __init__(self, streams: Streams, operations: Operations) -> None:
        self._streams = streams
        self._operations = operations

    async def answer(self, exchange: Exchange, request: Request, verbs: tuple[str, ...]) -> Answer:
        """`verbs`: what the user has to be allowed."""
        options = _options(exchange)
        pod = await self._streams.of_container(request, verbs, options.container)
        await self._operations.connect(request, _body(request.target.subresource, options))
        upgrade = negotiating.upgrade_of(exchange.request)
        if upgrade not in (WEBSOCKET, SPDY.lower()):
            raise negotiating.required()
        options.check()
        if upgrade == WEBSOCKET:
            return await self._websocket(exchange, request.target.subresource, pod, options)
        return await self._spdy(exchange, request.target.subresource, pod, options)

    async def _websocket(self, exchange: Exchange, kind: str, pod: PodSession, options: ExecOptions) -> Answer:
        name = negotiating.choose(exchange.request, WEBSOCKET_PROTOCOLS, protocols.OVER_WEBSOCKET, "")
        protocol = protocols.OVER_WEBSOCKET[name or protocols.V1.name]
        session = None if protocol.late_errors else await pod.open(kind, options)
        channels = WebSocketChannels(await accept(exchange, name), protocol, options)
        await channels.greet()
        if session is None:
            try:
                session = await pod.open(kind, options)
            except errors.ApiError as error:
                refusal = errors.InternalError(f"unable to upgrade connection: {error.message}")
                await channels.finish(statuses.of_error(refusal))
                return Answer(b"", 101)
        await converse(session, channels, options)
        return Answer(b"", 101)

    async def _spdy(self, exchange: Exchange, kind: str, pod: PodSession, options: ExecOptions) -> Answer:
        try:
            name = negotiating.choose(exchange.request, SPDY_PROTOCOLS, protocols.OVER_SPDY, "")
        except errors.Forbidden:
            exchange.headers[ACCEPTED] = ", ".join(protocols.OVER_SPDY)
            raise
        protocol = protocols.OVER_SPDY[name or protocols.V1.name]
        session = await pod.open(kind, options)
        exchange.began(Taken())
        try:
            head = switching(SPDY, [(SPDY_PROTOCOLS, name)] if name else [])
            channels = SpdyChannels(take_over(exchange.request, head), protocol, options)
        except BaseException:
            session.cancel()
            raise
        try:
            await channels.start()
            await converse(session, channels, options)
        except errors.BadRequest:
            # The streams that could carry an answer never came.
            session.cancel()
        finally:
            await channels.stop()
        return Answer(b"", 101)


def _body(kind: str, options: ExecOptions) -> Obj:
    """The PodExecOptions or PodAttachOptions that admission is asked about."""
    fields: Obj = {name: True for name in ("stdin", "stdout", "stderr", "tty") if getattr(options, name)}
    if options.container:
        fields["container"] = options.container
    if kind == "exec":
        fields["command"] = list(options.command)
    return {"kind": f"Pod{kind.capitalize()}Options", "apiVersion": "v1", **fields}


def _options(exchange: Exchange) -> ExecOptions:
    return ExecOptions(
        command=query.all_of(exchange.query_text, "command"),
        container=exchange.query.get("container", ""),
        stdin=query.is_true(exchange.query, "stdin"),
        stdout=query.is_true(exchange.query, "stdout"),
        stderr=query.is_true(exchange.query, "stderr"),
        tty=query.is_true(exchange.query, "tty"),
    )
