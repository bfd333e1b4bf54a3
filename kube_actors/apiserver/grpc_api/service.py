"""The service object of kube_actors.v1.Kube."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing

from kube_actors import __version__
from kube_actors.aio.clock import Clock
from kube_actors.api import encoding, errors
from kube_actors.api.resources import PODS, Registry, Resource
from kube_actors.apiserver import printing, version, versions
from kube_actors.apiserver.cache.entry import Entry
from kube_actors.apiserver.cache.watcher import WatchEvent
from kube_actors.apiserver.failures import as_api_error
from kube_actors.apiserver.fairness import Fairness
from kube_actors.apiserver.grpc_api import options, streams
from kube_actors.apiserver.grpc_api.calls import Calls
from kube_actors.apiserver.grpc_api.session import Session
from kube_actors.apiserver.listing import Page
from kube_actors.apiserver.logs import LogOptions, Logs
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.request import Request, Target, User
from kube_actors.apiserver.streams import Streams
from kube_actors.rpc.pb import api_pb2 as pb
from kube_actors.rpc.server import Call
from kube_actors.rpc.tls import Identity

PAGE_ITEMS = 500
PAGE_BYTES = 2 << 20
# From a certificate and headers with lower-case names to the user; see `Pipeline.authenticate`.
Authenticate = Callable[[Identity | None, Sequence[tuple[str, str]]], User]
# The bindings of one message, at once.
BINDINGS_AT_ONCE = 512


class KubeService:
    """Methods have the names of the .proto; see there for their contracts."""

    def __init__(
        self,
        operations: Operations,
        logs: Logs,
        streams: Streams,
        authenticate: Authenticate,
        resources: Registry,
        fairness: Fairness,
        clock: Clock,
        cluster_name: str,
    ) -> None:
        self._operations = operations
        self._logs = logs
        self._authenticate = authenticate
        self._streams = streams
        self._resources = resources
        self._fairness = fairness
        self._clock = clock
        self._cluster_name = cluster_name
        self._calls = Calls(operations, resources, clock)

    async def Get(self, request: pb.GetRequest, call: Call) -> pb.Object:
        return await self._unary(self._calls.get(request, self._user(call)))

    async def Create(self, request: pb.CreateRequest, call: Call) -> pb.Object:
        return await self._unary(self._calls.create(request, self._user(call)))

    async def Update(self, request: pb.UpdateRequest, call: Call) -> pb.Object:
        return await self._unary(self._calls.update(request, self._user(call)))

    async def Patch(self, request: pb.PatchRequest, call: Call) -> pb.Object:
        return await self._unary(self._calls.patch(request, self._user(call)))

    async def Delete(self, request: pb.DeleteRequest, call: Call) -> pb.Object:
        return await self._unary(self._calls.delete(request, self._user(call)))

    async def DeleteCollection(self, request: pb.DeleteCollectionRequest, call: Call) -> pb.Object:
        return await self._unary(self._calls.delete_collection(request, self._user(call)))

    async def List(self, request: pb.ListRequest, call: Call) -> AsyncIterator[pb.ListPage]:
        target = options.target(self._resources, request.ref)
        user = self._user(call)
        try:
            async with self._fairness.turn(
                user, target.resource.plural, self._operations.size_of(target, request.limit)
            ):
                page = await self._operations.list(Request(user, target), options.listing(request))
        except errors.KubeActorsError as error:
            raise as_api_error(error) from error
        for message in _list_pages(target.resource, page, self._clock.now() if request.as_table else None):
            yield message

    async def Watch(self, request: pb.WatchRequest, call: Call) -> AsyncIterator[bytes]:
        target = options.target(self._resources, request.ref)
        try:
            session = await self._operations.watch(Request(self._user(call), target), options.watching(request))
        except errors.KubeActorsError as error:
            raise as_api_error(error) from error
        await call.accept()
        encode = _event_encoder(target.resource, self._clock.now if request.as_table else None)
        events = session.events()
        try:
            async for batch in events:
                # Messages of repeated fields concatenate: each event is encoded once for all watchers.
                yield b"".join(map(encode, batch))
        finally:
            await events.aclose()  # type: ignore[attr-defined]

    async def Bind(self, request: pb.BindRequest, call: Call) -> pb.BindResponse:
        user = self._user(call)
        slots = asyncio.Semaphore(BINDINGS_AT_ONCE)

        async def bind(binding: pb.Binding) -> pb.BindResult:
            async with slots:
                try:
                    await self._operations.bind(user, binding.namespace, binding.name, binding.uid, binding.node)
                except errors.KubeActorsError as error:
                    return pb.BindResult(status=encoding.dumps(as_api_error(error).status()))
                return pb.BindResult()

        return pb.BindResponse(results=await asyncio.gather(*map(bind, request.bindings)))

    async def Session(
        self, requests: AsyncIterator[pb.SessionRequest], call: Call
    ) -> AsyncIterator[pb.SessionResponse]:
        session = Session(self._calls, self._user(call))
        await call.accept()
        answers = session.answers(requests)
        try:
            async for message in answers:
                yield message
        finally:
            await answers.aclose()  # type: ignore[attr-defined]

    async def Logs(self, request: pb.LogsRequest, call: Call) -> AsyncIterator[pb.LogsChunk]:
        target = Target(PODS, request.namespace, request.pod, "log")
        chosen = LogOptions(
            container=request.container,
            follow=request.follow,
            previous=request.previous,
            timestamps=request.timestamps,
            tail_lines=request.tail_lines if request.HasField("tail_lines") else None,
            limit_bytes=request.limit_bytes if request.HasField("limit_bytes") else None,
            since_seconds=request.since_seconds if request.HasField("since_seconds") else None,
            since_time=request.since_time,
        )
        chunks = await self._logs.open(Request(self._user(call), target), chosen)
        if chunks is None:
            return
        try:
            async for data in chunks:
                yield pb.LogsChunk(data=data)
        finally:
            await chunks.aclose()  # type: ignore[attr-defined]

    async def Exec(self, requests: AsyncIterator[pb.ExecInput], call: Call) -> AsyncIterator[pb.ExecOutput]:
        async with aclosing(streams.command(self._streams, self._user(call), "exec", requests)) as outputs:
            async for message in outputs:
                yield message

    async def Attach(self, requests: AsyncIterator[pb.ExecInput], call: Call) -> AsyncIterator[pb.ExecOutput]:
        async with aclosing(streams.command(self._streams, self._user(call), "attach", requests)) as outputs:
            async for message in outputs:
                yield message

    async def PortForward(self, requests: AsyncIterator[pb.DialData], call: Call) -> AsyncIterator[pb.DialData]:
        async with aclosing(streams.port_forward(self._streams, self._user(call), requests)) as messages:
            async for message in messages:
                yield message

    async def Discover(self, request: pb.DiscoverRequest, call: Call) -> pb.DiscoverResponse:
        self._operations.authorize_path(self._user(call), "get", "/apis")
        return pb.DiscoverResponse(resources=[options.discovered(resource) for resource in self._resources])

    async def Version(self, request: pb.VersionRequest, call: Call) -> pb.VersionResponse:
        self._operations.authorize_path(self._user(call), "get", "/version")
        return pb.VersionResponse(
            git_version=version.GIT_VERSION, product_version=__version__, cluster_name=self._cluster_name
        )

    def _user(self, call: Call) -> User:
        return self._authenticate(call.identity, options.headers(call.metadata))

    async def _unary(self, work: Awaitable[bytes]) -> pb.Object:
        try:
            return pb.Object(json=await work)
        except errors.KubeActorsError as error:
            raise as_api_error(error) from error


def _list_pages(resource: Resource, page: Page, table_at: float | None) -> list[pb.ListPage]:
    """The messages of a list; one at least, for its resourceVersion."""
    convert = versions.bytes_converter(resource)
    revision = str(page.revision)
    messages = []
    for batch in _batches(page.entries):
        items = [entry.data if convert is None else convert(entry.data) for entry in batch]
        if table_at is not None:
            objects = map(encoding.loads, items)
            metadata = {"resourceVersion": revision}
            items = [encoding.dumps(printing.table(resource, objects, table_at, metadata))]
        messages.append(pb.ListPage(items=items, resource_version=revision))
    messages[-1].continue_token = page.continue_token
    messages[-1].remaining_item_count = page.remaining or 0
    return messages


def _batches(entries: list[Entry]) -> list[list[Entry]]:
    """Parts of a list that make messages of moderate size; one, maybe empty, at least."""
    batches: list[list[Entry]] = [[]]
    size = 0
    for entry in entries:
        if size > PAGE_BYTES or len(batches[-1]) >= PAGE_ITEMS:
            batches.append([])
            size = 0
        batches[-1].append(entry)
        size += len(entry.data)
    return batches


def _event_encoder(resource: Resource, table_at: Callable[[], float] | None) -> Callable[[WatchEvent], bytes]:
    """One event as a WatchBatch of its own, remembered with the event's bytes for the next watcher."""
    convert = versions.bytes_converter(resource)

    def encode(event: WatchEvent) -> bytes:
        kind = event.type.value

        def make(data: bytes) -> bytes:
            if convert is not None and kind not in ("ERROR", "BOOKMARK"):
                data = convert(data)
            if table_at is not None and kind not in ("ERROR", "BOOKMARK"):
                data = printing.table_of_one(resource, table_at())(data)
            return pb.WatchBatch(events=[pb.WatchEvent(type=kind, object=data)]).SerializeToString()

        return event.frame.form(("grpc", kind, resource.group, table_at is not None), make)

    return encode
