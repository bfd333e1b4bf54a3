"""The HTTPS listener: one handler for every request, from its authentication to its answer."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import tempfile
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web

from kube_actors.aio.clock import Clock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import encoding, errors
from kube_actors.api.protobuf import envelope
from kube_actors.apiserver.aggregation.proxy import AggregationProxy
from kube_actors.apiserver.audit.event import HUNG_UP
from kube_actors.apiserver.audit.policy import Asked
from kube_actors.apiserver.authn.impersonation import impersonated
from kube_actors.apiserver.config import ApiServerConfig
from kube_actors.apiserver.failures import as_api_error, internal
from kube_actors.apiserver.request import Target, User
from kube_actors.apiserver.rest import negotiation
from kube_actors.apiserver.rest.connect.handler import ConnectHandler, handles
from kube_actors.apiserver.rest.exchange import Answer, Exchange
from kube_actors.apiserver.rest.health import Health
from kube_actors.apiserver.rest.paths import ResourcePath, parse
from kube_actors.apiserver.rest.resources import ResourceHandler, asked_verb, is_long
from kube_actors.apiserver.rest.system import SystemHandler
from kube_actors.rpc.tls import Identity, ServerTLS, identity_of_der

if TYPE_CHECKING:
    from kube_actors.apiserver.server import Pipeline

log = structlog.get_logger(__name__)

NOBODY = User("")
NOT_IN_TIME = "request did not complete within the allotted timeout"
# A client that takes nothing of its answer for so long is cut off.
READER_PATIENCE_MS = 60_000
# Kubernetes: MaxRequestBodyBytes.
MAX_BODY = 3 * 1024 * 1024
TOO_LARGE = f"Request entity too large: limit is {MAX_BODY}"
KEEPALIVE_SECONDS = 120.0
# Linux: an address may be bound before an interface has it. Python has no name for it.
IP_FREEBIND = 15


class RestServer:
    """Owns the listener. A write goes on when its client hangs up; a read or watch does not."""

    def __init__(self, pipeline: Pipeline, config: ApiServerConfig, clock: Clock) -> None:
        self._config = config
        self._pipeline = pipeline
        self._clock = clock
        self._tasks = Tasks("apiserver-rest")
        self._metrics = pipeline.requests
        self._runner: web.ServerRunner | None = None
        self.started = self.ready = False
        self.port = 0
        health = Health(pipeline.storage, has_started=lambda: self.started, is_ready=lambda: self.ready)
        self._resources = ResourceHandler(pipeline, clock)
        self._aggregation = AggregationProxy(pipeline.remotes, pipeline.remote_client, pipeline.authorizer)
        self._connect = ConnectHandler(pipeline)
        self._system = SystemHandler(pipeline, health, lambda: f"https://{config.advertise_address}:{self.port}")

    async def start(self) -> None:
        """Listen. Raises ConfigError for an address that cannot be had."""
        loop = asyncio.get_running_loop()

        def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
            return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)

        server = web.Server(
            self._handle,
            request_factory=make_request,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=KEEPALIVE_SECONDS,
        )
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        self._runner = runner
        listener = _bound(self._config.rest_host, self._config.rest_port)
        self.port = listener.getsockname()[1]
        listeners = [listener]
        if self._config.pod_gateway:
            listeners.append(_bound(self._config.pod_gateway, self.port, not_yet=True))
        for each in listeners:
            await web.SockSite(runner, each, ssl_context=_tls(self._config.rest_tls), backlog=1024).start()

    async def stop(self) -> None:
        """Stop listening, let running requests end for a second. May be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        await self._tasks.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        exchange = Exchange(request)
        started = asyncio.get_running_loop().time()
        kind = "readOnly" if request.method in ("GET", "HEAD") else "mutating"
        self._metrics.in_flight[kind] += 1
        try:
            answer = await self._answer(exchange)
        except errors.KubeActorsError as error:
            refused = as_api_error(error)
            exchange.status = refused.status()
            answer = _refusal(refused, exchange)
        except web.HTTPRequestEntityTooLarge:
            answer = _refusal(errors.TooLarge(TOO_LARGE), exchange)
        except (ConnectionError, asyncio.CancelledError):
            self._end_audit_of_the_gone(exchange)
            raise
        except Exception as error:
            log.error("request failed", method=request.method, path=exchange.path, exc_info=error)
            answer = _refusal(internal("the server's log has the details"), exchange)
        finally:
            self._metrics.in_flight[kind] -= 1
        seconds = None if exchange.streamed else asyncio.get_running_loop().time() - started
        self._metrics.count(exchange.labels, answer.code, seconds, len(answer.body))
        if exchange.audit is not None and self._pipeline.audit is not None:
            self._pipeline.audit.end(exchange.audit, answer.code, answer.body, exchange.status)
        if exchange.streamed is not None:
            return exchange.streamed
        return _response(answer, exchange)

    async def _answer(self, exchange: Exchange) -> Answer:
        request = exchange.request
        path = exchange.resource_path = parse(exchange.path)
        user = self._user(exchange)
        remote = self._aggregation.remote(exchange.path)
        if remote is not None:
            return await self._aggregation.answer(exchange, user, remote)
        if path is not None and handles(path):
            return await self._connect.answer(exchange, user, path)
        if path is not None and is_long(exchange, path):
            return await self._resources.answer(exchange, user, path)
        try:
            async with asyncio.timeout(self._config.request_timeout):
                if path is None:
                    return await self._system.answer(exchange, user)
                async with self._pipeline.fairness.turn(user, path.resource, self._size(exchange, path)):
                    if request.method == "GET":
                        return await self._resources.answer(exchange, user, path)
                    await exchange.read_body()
                    if exchange.audit is not None:
                        exchange.audit.request_body = exchange.body
                    # A write that has begun is not given up because its client hangs up.
                    return await self._finish(self._resources.answer(exchange, user, path))
        except TimeoutError:
            raise errors.Timeout(f"Timeout: {NOT_IN_TIME}") from None

    def _size(self, exchange: Exchange, path: ResourcePath) -> int:
        """How many objects a list is about to read."""
        resource = self._pipeline.resources.find(path.group, path.version, path.resource)
        if resource is None or path.name or exchange.request.method != "GET":
            return 0
        limit = exchange.query.get("limit", "")
        return self._pipeline.operations.size_of(
            Target(resource, path.namespace), int(limit) if limit.isascii() and limit.isdigit() else 0
        )

    async def _finish(self, work: Awaitable[Answer]) -> Answer:
        async def run() -> Answer:
            return await work

        task = self._tasks.spawn(_outcome(run()), "write")
        answer, error = await asyncio.shield(task)
        if error is not None:
            raise error
        assert answer is not None
        return answer

    def _user(self, exchange: Exchange) -> User:
        """Who asks, or who he wants to be; from here on the request is in the audit log."""
        request = exchange.request
        headers = [(name.lower(), value) for name, value in request.headers.items() if name[:1] in "aAiI"]
        try:
            asker = self._pipeline.identify(_identity(request), headers)
        except errors.Unauthorized:
            self._begin_audit(exchange, NOBODY)
            raise
        self._begin_audit(exchange, asker)
        user = impersonated(asker, headers, self._pipeline.authorizer)
        if user is not asker and exchange.audit is not None:
            exchange.audit.impersonated = user
        return user

    def _end_audit_of_the_gone(self, exchange: Exchange) -> None:
        """The client hung up: a stream ends by it, any other request was not answered."""
        audit, event = self._pipeline.audit, exchange.audit
        if audit is None or event is None:
            return
        if exchange.streamed is not None:
            audit.end(event, exchange.streamed.status)
        else:
            gone = errors.Timeout(HUNG_UP).status()
            audit.end(event, errors.Timeout.code, encoding.dumps(gone), gone)

    def _begin_audit(self, exchange: Exchange, user: User) -> None:
        audit, path, request = self._pipeline.audit, exchange.resource_path, exchange.request
        if audit is None:
            return
        if path is None:
            asked = Asked(user, request.method.lower(), path=exchange.path)
        else:
            verb = asked_verb(exchange, path)
            asked = Asked(user, verb, path.group, path.resource, path.subresource, path.namespace, path.name)
        exchange.audit = audit.begin(
            asked,
            identifier=exchange.identifier,
            uri=request.raw_path,
            source=request.remote or "",
            agent=exchange.agent,
            version=path.version if path is not None else "",
        )
        if (event := exchange.audit) is not None:
            exchange.on_stream = lambda status: audit.started(event, status)


async def _outcome(work: Awaitable[Answer]) -> tuple[Answer | None, BaseException | None]:
    """A refusal is a result: as a task's exception it would be reported as a failure."""
    try:
        return await work, None
    except errors.KubeActorsError as error:
        return None, error


def _identity(request: web.BaseRequest) -> Identity | None:
    """The client certificate of the connection, which TLS has verified."""
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    certificate = tls.getpeercert(True) if tls is not None else None
    return identity_of_der(certificate) if certificate else None


def _refusal(error: errors.ApiError, exchange: Exchange) -> Answer:
    headers = dict(exchange.headers)
    if error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    if exchange.resource_path is not None and _reads_protobuf(exchange):
        body = envelope.encode(error.status())
        return Answer(body, code=error.code, content_type=negotiation.PROTOBUF, headers=headers)
    return Answer(encoding.dumps(error.status()), code=error.code, headers=headers)


def _reads_protobuf(exchange: Exchange) -> bool:
    """Whether the client would rather have protobuf than JSON."""
    try:
        form = negotiation.accepted(exchange.request.headers.get("Accept", ""), protobuf=True)
    except errors.NotAcceptable:
        return False
    return form.media_type == negotiation.PROTOBUF


# A warning with such characters could not stand in a header: Kubernetes drops it.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
# apiserver's limits on the warnings of an answer, in characters.
MAX_WARNINGS_TOTAL, MAX_WARNING = 4096, 256
# Clients take 100 headers or so, and a body may have any number of unknown fields.
MAX_WARNINGS = 64


def sendable_warnings(texts: Iterable[str]) -> list[str]:
    """Each once, cut to MAX_WARNING where all together are too long, and no more than an answer can hold."""
    unique = [text for text in dict.fromkeys(texts) if text and _CONTROL.search(text) is None]
    if sum(map(len, unique)) > MAX_WARNINGS_TOTAL:
        unique = [text[:MAX_WARNING] for text in unique]
    sent: list[str] = []
    left = MAX_WARNINGS_TOTAL
    for text in unique[:MAX_WARNINGS]:
        if left < len(text):
            break
        sent.append(text)
        left -= len(text)
    return sent


def _response(answer: Answer, exchange: Exchange) -> web.Response:
    headers = {
        "Audit-Id": exchange.identifier,
        "Cache-Control": "no-cache, private",
        "Content-Type": answer.content_type,
        **answer.headers,
    }
    response = web.Response(body=answer.body, status=answer.code, headers=headers)
    for warning in sendable_warnings(exchange.warnings):
        text = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{text}"')
    return response


def _bound(host: str, port: int, *, not_yet: bool = False) -> socket.socket:
    """A listening socket. With `not_yet` the address need not be this machine's now; connections come once it is."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not_yet:
            listener.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise errors.ConfigError(
            f"cannot listen on {host}:{port} for HTTPS: {error.strerror or error}; choose another address or port"
        ) from error
    return listener


def _tls(material: ServerTLS) -> ssl.SSLContext:
    """Client certificates are asked for and verified; who has none authenticates by token."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    with tempfile.NamedTemporaryFile() as pair:
        # The ssl module takes certificate and key from files only; this one is ours alone and gone at once.
        pair.write(material.key + b"\n" + material.certificate)
        pair.flush()
        try:
            context.load_cert_chain(pair.name)
        except ssl.SSLError as error:
            raise errors.ConfigError(f"the HTTPS certificate and its key do not fit: {error.reason}") from error
    context.load_verify_locations(cadata=material.client_ca.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    return context
