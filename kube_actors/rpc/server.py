"""A gRPC server over plain objects, found by the service's descriptor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from grpc_reflection.v1alpha import reflection

from kube_actors.api.errors import ConfigError, KubeActorsError
from kube_actors.rpc.errors import RpcError, to_status
from kube_actors.rpc.tls import Identity, ServerTLS, identity_of

log = structlog.get_logger(__name__)

# Objects are up to 1.5 MB, lists are streamed; this bounds one message.
MAX_MESSAGE = 64 << 20
# A client that vanished without a word is noticed after this many milliseconds.
KEEPALIVE_MS = 30_000

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


class Call:
    """What a handler may know of its caller. Read when it is asked for: most handlers never do."""

    __slots__ = ("_context",)

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._context = context

    @property
    def peer(self) -> str:
        return str(self._context.peer())

    @property
    def metadata(self) -> Mapping[str, str | bytes]:
        return dict(self._context.invocation_metadata() or ())

    @property
    def identity(self) -> Identity | None:
        """Of the client's certificate; None where it showed none."""
        certificates = self._context.auth_context().get("x509_pem_cert")
        return identity_of(certificates[0]) if certificates else None

    async def accept(self) -> None:
        """Send response headers now; a stream's client learns by it that the server has accepted."""
        await self._context.send_initial_metadata(())


@dataclass(frozen=True, slots=True)
class Listener:
    """Where to listen: `HOST:PORT` (port 0: any) or `unix:PATH`.

    With `tls` and `client_certificates` only holders of a certificate of `tls.client_ca` get in;
    without `client_certificates` callers authenticate otherwise (a bearer token).
    """

    address: str
    tls: ServerTLS | None = None
    client_certificates: bool = True

    def credentials(self) -> grpc.ServerCredentials | None:
        if self.tls is None:
            return None
        return grpc.ssl_server_credentials(
            [(self.tls.key, self.tls.certificate)],
            root_certificates=self.tls.client_ca if self.client_certificates else None,
            require_client_auth=self.client_certificates,
        )


@dataclass(frozen=True, slots=True)
class Service:
    """A service of a .proto and the object that implements it.

    Unary methods are `async def Name(self, request, call) -> response`; methods that stream answers are
    async generators; methods that receive a stream get an async iterator as `request`.

    `users`: the names of the client certificates that may call it; None: whoever the listener lets in.
    """

    descriptor: ServiceDescriptor
    implementation: object
    users: frozenset[str] | None = None

    def admit(self, call: Call) -> Call:
        """The call itself. Raises RpcError where its caller may not make it."""
        if self.users is None:
            return call
        identity = call.identity
        if identity is None or identity.user not in self.users:
            raise RpcError("PERMISSION_DENIED", f"this certificate may not use {self.descriptor.full_name}")
        return call


class Server:
    """Several services on several listeners. `addresses` is known after `start()`."""

    def __init__(self, listeners: Sequence[Listener], services: Sequence[Service], *, reflect: bool = False) -> None:
        self._listeners = tuple(listeners)
        self._services = tuple(services)
        self._reflect = reflect
        self._server: grpc.aio.Server | None = None
        self.addresses: tuple[str, ...] = ()

    async def start(self) -> None:
        """Raises ConfigError where an address cannot be listened on."""
        server = grpc.aio.server(options=OPTIONS)
        server.add_generic_rpc_handlers([_handler(service) for service in self._services])
        if self._reflect:
            names = [service.descriptor.full_name for service in self._services]
            reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
        self.addresses = tuple(_listen(server, listener) for listener in self._listeners)
        await server.start()
        self._server = server

    async def stop(self, grace: float = 1.0) -> None:
        """Refuse new calls, give running ones `grace` seconds, then cancel them."""
        if self._server is not None:
            await self._server.stop(grace)
            self._server = None


def _listen(server: grpc.aio.Server, listener: Listener) -> str:
    credentials = listener.credentials()
    try:
        if credentials is None:
            port = server.add_insecure_port(listener.address)
        else:
            port = server.add_secure_port(listener.address, credentials)
    except RuntimeError as error:
        raise ConfigError(
            f"cannot listen on {listener.address}: the port is in use or not ours; choose another"
        ) from error
    if listener.address.startswith("unix:"):
        return listener.address
    return f"{listener.address.rpartition(':')[0]}:{port}"


def _handler(service: Service) -> grpc.GenericRpcHandler:
    methods = {
        method.name: _method_handler(service, method, getattr(service.implementation, method.name))
        for method in service.descriptor.methods
        if hasattr(service.implementation, method.name)
    }
    return grpc.method_handlers_generic_handler(service.descriptor.full_name, methods)


def _method_handler(service: Service, method: MethodDescriptor, behaviour: Callable[..., Any]) -> grpc.RpcMethodHandler:
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[method.client_streaming, method.server_streaming]
    wrap = _streaming if method.server_streaming else _unary
    handler = wrap(service, method, behaviour)
    request_class = message_factory.GetMessageClass(method.input_type)
    return make(handler, request_deserializer=request_class.FromString, response_serializer=_serialize)


def _serialize(answer: Any) -> bytes:
    """A message, or the bytes of one that was encoded once for many."""
    return answer if isinstance(answer, bytes) else bytes(answer.SerializeToString())


def _unary(service: Service, method: MethodDescriptor, behaviour: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    async def handle(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await behaviour(request, service.admit(Call(context)))
        except Exception as error:  # noqa: BLE001  (the boundary: every failure becomes a status)
            await _abort(method, context, error)

    return handle


def _streaming(
    service: Service, method: MethodDescriptor, behaviour: Callable[..., AsyncIterator[Any]]
) -> Callable[..., Any]:
    async def handle(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        # A coroutine that writes: of a call that is cancelled, gRPC leaves a generator to the garbage collector.
        answers: AsyncIterator[Any] | None = None
        try:
            answers = behaviour(request, service.admit(Call(context)))
            async for answer in answers:
                await context.write(answer)
        except Exception as error:  # noqa: BLE001  (the boundary: every failure becomes a status)
            await _abort(method, context, error)
        finally:
            close = getattr(answers, "aclose", None)
            if close is not None:
                await close()

    return handle


async def _abort(method: MethodDescriptor, context: grpc.aio.ServicerContext[Any, Any], error: Exception) -> None:
    if isinstance(error, grpc.aio.AbortError | asyncio.CancelledError):
        raise error
    if isinstance(error, KubeActorsError):
        code, message, metadata = to_status(error)
        await context.abort(code, message, metadata)
    log.error("handler failed", method=method.full_name, exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, "internal error; the server's log has the details")
