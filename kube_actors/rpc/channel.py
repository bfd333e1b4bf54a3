"""Clients: a channel to one of several addresses, and stubs found by the service's descriptor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from kube_actors.rpc.errors import RpcError, from_rpc
from kube_actors.rpc.server import MAX_MESSAGE
from kube_actors.rpc.tls import ClientTLS

KEEPALIVE_MS = 10_000

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A restarted server is found again within a second, not after gRPC's default of up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Two channels of one process to one address must not share a connection (and its fate).
    ("grpc.use_local_subchannel_pool", 1),
    # Loopback and cluster addresses never go through a proxy of the environment.
    ("grpc.enable_http_proxy", 0),
)

# What gRPC says, in place of the peer's own status, of a stream that had ended when a write came.
_WRITE_FAILED = "Internal error from Core"


class Channel:
    """A connection that heals itself. Give all replicas of a server: the first that answers is used.

    Addresses are `HOST:PORT` with IP addresses where there are several, or one `unix:PATH`.
    """

    def __init__(
        self, addresses: Sequence[str], tls: ClientTLS | None = None, token: str = "", user_agent: str = ""
    ) -> None:
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._tls = tls
        self._user_agent = user_agent
        self._retired: list[grpc.aio.Channel] = []
        self._channel = self._open(addresses)

    def _open(self, addresses: Sequence[str]) -> grpc.aio.Channel:
        options: list[tuple[str, int | str]] = [*OPTIONS]
        if self._user_agent:
            options.append(("grpc.primary_user_agent", self._user_agent))
        target = addresses[0] if len(addresses) == 1 else f"ipv4:{','.join(addresses)}"
        tls = self._tls
        if tls is None:
            return grpc.aio.insecure_channel(target, options=options)
        if tls.server_name:
            options.append(("grpc.ssl_target_name_override", tls.server_name))
        credentials = grpc.ssl_channel_credentials(tls.ca, tls.key or None, tls.certificate or None)
        return grpc.aio.secure_channel(target, credentials, options=options)

    def use(self, addresses: Sequence[str]) -> None:
        """Other addresses for new calls. Streams that are open stay where they are until their server ends."""
        self._retired.append(self._channel)
        self._channel = self._open(addresses)

    @property
    def current(self) -> grpc.aio.Channel:
        """The connection of new calls."""
        return self._channel

    async def close(self) -> None:
        for channel in (*self._retired, self._channel):
            await channel.close()

    async def ready(self, timeout: float) -> bool:
        """Connect now; whether that succeeded within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._channel.channel_ready()
        except TimeoutError:
            return False
        return True

    def callable(self, method: MethodDescriptor) -> Any:
        """The gRPC multicallable of a method."""
        make = {
            (False, False): self._channel.unary_unary,
            (False, True): self._channel.unary_stream,
            (True, False): self._channel.stream_unary,
            (True, True): self._channel.stream_stream,
        }[method.client_streaming, method.server_streaming]
        return make(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=message_factory.GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
        )

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata


class Stub:
    """Calls of one service. Failures are raised as exceptions of `kube_actors.api.errors` or RpcError."""

    def __init__(self, channel: Channel, service: ServiceDescriptor) -> None:
        self._channel = channel
        self._service = service
        self._bind()

    def _bind(self) -> None:
        self._connection = self._channel.current
        self._methods = {method.name: self._channel.callable(method) for method in self._service.methods}

    def _method(self, name: str) -> Any:
        if self._connection is not self._channel.current:
            self._bind()
        return self._methods[name]

    async def unary(self, method: str, request: Any, timeout: float | None = None) -> Any:
        """One request, one answer. `timeout` in seconds."""
        try:
            return await self._method(method)(request, timeout=timeout, metadata=self._channel.metadata)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error

    async def stream(self, method: str, request: Any) -> AsyncGenerator[Any, None]:
        """One request, a stream of answers. The call is cancelled when the iterator is closed."""
        call = self._method(method)(request, metadata=self._channel.metadata)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error
        finally:
            call.cancel()

    def open(self, method: str) -> Conversation:
        """A stream in both directions."""
        return Conversation(self._method(method)(metadata=self._channel.metadata))


class Conversation:
    """A bidirectional stream. Any number of tasks may write while one reads."""

    def __init__(self, call: Any) -> None:
        self._call = call
        # A second write under way breaks the call: gRPC takes one at a time.
        self._writing = asyncio.Lock()
        # Its `read` forgets what has arrived once a write fails, which is how a peer's last words meet our next.
        self._messages: AsyncIterator[Any] = call.__aiter__()

    async def write(self, message: Any) -> None:
        """Raises where the stream has ended; why it ended is what `read` raises."""
        try:
            async with self._writing:
                await self._call.write(message)
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from error
        except asyncio.InvalidStateError as error:
            raise RpcError("UNAVAILABLE", "the stream has ended") from error

    async def done_writing(self) -> None:
        """Half-close: the peer's iterator of requests ends."""
        await self._call.done_writing()

    async def read(self) -> Any | None:
        """The next message, or None at the end of the stream."""
        try:
            return await anext(self._messages, None)
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from error

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (message := await self.read()) is not None:
            yield message

    def cancel(self) -> None:
        self._call.cancel()


def _failure(error: grpc.aio.AioRpcError) -> BaseException:
    # A stream that fails while its task is cancelled makes gRPC forget the cancellation; the task would go on.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        return asyncio.CancelledError()
    if error.code() is grpc.StatusCode.INTERNAL and error.details() == _WRITE_FAILED:
        return RpcError("UNAVAILABLE", "the stream ended while it was written to")
    return from_rpc(error)
