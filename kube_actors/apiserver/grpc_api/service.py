"""The service object of kube_actors.v1.Kube."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, aclosing
from typing import Any

from kube_actors import __version__
from kube_actors.aio.clock import Clock
from kube_actors.api import encoding, errors
from kube_actors.api.resources import PODS, Registry, Resource
from kube_actors.apiserver import binding, printing, version, versions
from kube_actors.apiserver.aggregation.reads import RemoteReads, target_of
from kube_actors.apiserver.cache.watcher import WatchEvent
from kube_actors.apiserver.failures import as_api_error
from kube_actors.apiserver.fairness import Fairness
from kube_actors.apiserver.grpc_api import lists, options, streams
from kube_actors.apiserver.grpc_api.auditing import Caller, Record, Recorder, Wanted, pod_ref, recorded, selection
from kube_actors.apiserver.grpc_api.callers import Callers
from kube_actors.apiserver.grpc_api.calls import Calls
from kube_actors.apiserver.grpc_api.calls import wanted as wanted_of
from kube_actors.apiserver.grpc_api.session import MAX_IN_FLIGHT, Session
from kube_actors.apiserver.logs import LogOptions, Logs
from kube_actors.apiserver.operations import SUCCESS_CREATED, Operations
from kube_actors.apiserver.request import Request, Target
from kube_actors.apiserver.streams import Streams
from kube_actors.rpc.pb import api_pb2 as pb
from kube_actors.rpc.server import Call

# What a session without a known user is in the audit log.
SESSION_PATH = f"/{pb.DESCRIPTOR.services_by_name['Kube'].full_name}/Session"
# The bindings of one message, at once.
BINDINGS_AT_ONCE = 512


class KubeService:
    """Methods have the names of the .proto; see there for their contracts."""

    def __init__(
        self,
        operations: Operations,
        logs: Logs,
        streams: Streams,
        callers: Callers,
        resources: Registry,
        fairness: Fairness,
        recorder: Recorder | None,
        clock: Clock,
        cluster_name: str,
        remote: RemoteReads,
    ) -> None:
        self._operations = operations
        self._logs = logs
        self._callers = callers
        self._recorder = recorder
        self._streams = streams
        self._resources = resources
        self._fairness = fairness
        self._clock = clock
        self._cluster_name = cluster_name
        self._remote = remote
        self._calls = Calls(operations, resources, fairness, recorder, clock, remote)

    async def Get(self, request: pb.GetRequest, call: Call) -> pb.Object:
        return await self._unary("get", request, call)

    async def Create(self, request: pb.CreateRequest, call: Call) -> pb.Object:
        return await self._unary("create", request, call)

    async def Update(self, request: pb.UpdateRequest, call: Call) -> pb.Object:
        return await self._unary("update", request, call)

    async def Patch(self, request: pb.PatchRequest, call: Call) -> pb.Object:
        return await self._unary("patch", request, call)

    async def Delete(self, request: pb.DeleteRequest, call: Call) -> pb.Object:
        return await self._unary("delete", request, call)

    async def DeleteCollection(self, request: pb.DeleteCollectionRequest, call: Call) -> pb.Object:
        return await self._unary("deletecollection", request, call)

    async def List(self, request: pb.ListRequest, call: Call) -> AsyncIterator[pb.ListPage]:
        wanted = Wanted("list", request.ref, query=selection(request))
        caller = self._callers.of(call, lambda: wanted)
        with recorded(self._recorder, caller, wanted) as record:
            remote = self._remote.of(request.ref)
            if remote is not None:
                asked = Request(caller.user, target_of(request.ref))
                async with self._fairness.turn(caller.user, request.ref.resource):
                    found = await self._remote.list(asked, remote, selection(request))
                record.answered(encoding.dumps(found))
                yield lists.remote_page(found)
                return
            target = options.target(self._resources, request.ref)
            try:
                size = self._operations.size_of(target, request.limit)
                async with self._fairness.turn(caller.user, target.resource.plural, size):
                    page = await self._operations.list(Request(caller.user, target), options.listing(request))
            except errors.KubeActorsError as error:
                raise as_api_error(error) from error
            messages = lists.pages(target.resource, page, self._clock.now() if request.as_table else None)
            if record.wants_response:
                record.answered(lists.joined(target.resource, messages, request.as_table))
            for message in messages:
                yield message

    async def Watch(self, request: pb.WatchRequest, call: Call) -> AsyncIterator[bytes]:
        wanted = Wanted("watch", request.ref, query=(*selection(request), ("watch", "true")))
        caller = self._callers.of(call, lambda: wanted)
        with recorded(self._recorder, caller, wanted) as record:
            target = options.target(self._resources, request.ref)
            try:
                session = await self._operations.watch(Request(caller.user, target), options.watching(request))
            except errors.KubeActorsError as error:
                raise as_api_error(error) from error
            await call.accept()
            record.started()
            encode = _event_encoder(target.resource, self._clock.now if request.as_table else None)
            async with aclosing(session.events()) as events:  # type: ignore[type-var]
                async for batch in events:
                    # Messages of repeated fields concatenate: each event is encoded once for all watchers.
                    yield b"".join(map(encode, batch))

    async def Bind(self, request: pb.BindRequest, call: Call) -> pb.BindResponse:
        caller = self._callers.of(call, lambda: Wanted("create", pod_ref("", "", "binding")))
        slots = asyncio.Semaphore(BINDINGS_AT_ONCE)

        async def bind(one: pb.Binding) -> pb.BindResult:
            async with slots:
                try:
                    await self._bind(caller, one)
                except errors.KubeActorsError as error:
                    return pb.BindResult(status=encoding.dumps(as_api_error(error).status()))
                return pb.BindResult()

        # One turn for all: the scheduler, which never waits, is who binds many.
        async with self._fairness.turn(caller.user, PODS.plural):
            return pb.BindResponse(results=await asyncio.gather(*map(bind, request.bindings)))

    async def _bind(self, caller: Caller, one: pb.Binding) -> None:
        request = Request(caller.user, Target(PODS, one.namespace, one.name, "binding"))
        if self._recorder is None:
            await self._operations.bind(request, one.uid, one.node)
            return
        body = encoding.dumps(binding.binding_of(one.namespace, one.name, one.node, one.uid, None))
        wanted = Wanted("create", pod_ref(one.namespace, one.name, "binding"), body=body)
        with self._recorder.call(caller, wanted) as record:
            request.audit_annotations = record.annotations
            await self._operations.bind(request, one.uid, one.node)
            record.answered(encoding.dumps(SUCCESS_CREATED), 201)

    async def Session(
        self, requests: AsyncIterator[pb.SessionRequest], call: Call
    ) -> AsyncIterator[pb.SessionResponse]:
        caller = self._callers.of(call, lambda: Wanted("post", path=SESSION_PATH))
        session = Session(self._calls, caller, self._fairness.at_once(caller.user, MAX_IN_FLIGHT))
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
        wanted = Wanted("get", pod_ref(request.namespace, request.pod, "log"))
        caller = self._callers.of(call, lambda: wanted)
        with recorded(self._recorder, caller, wanted) as record:
            chunks = await self._logs.open(Request(caller.user, target), chosen)
            record.started()
            if chunks is None:
                return
            async with aclosing(chunks):  # type: ignore[type-var]
                async for data in chunks:
                    yield pb.LogsChunk(data=data)

    async def Exec(self, requests: AsyncIterator[pb.ExecInput], call: Call) -> AsyncIterator[pb.ExecOutput]:
        async with aclosing(streams.command(self._streams, self._opener(call), "exec", requests)) as outputs:
            async for message in outputs:
                yield message

    async def Attach(self, requests: AsyncIterator[pb.ExecInput], call: Call) -> AsyncIterator[pb.ExecOutput]:
        async with aclosing(streams.command(self._streams, self._opener(call), "attach", requests)) as outputs:
            async for message in outputs:
                yield message

    async def PortForward(self, requests: AsyncIterator[pb.DialData], call: Call) -> AsyncIterator[pb.DialData]:
        async with aclosing(streams.port_forward(self._streams, self._opener(call), requests)) as messages:
            async for message in messages:
                yield message

    async def Discover(self, request: pb.DiscoverRequest, call: Call) -> pb.DiscoverResponse:
        self._read_path("/apis", call)
        return pb.DiscoverResponse(resources=[options.discovered(resource) for resource in self._resources])

    async def Version(self, request: pb.VersionRequest, call: Call) -> pb.VersionResponse:
        self._read_path("/version", call)
        return pb.VersionResponse(
            git_version=version.GIT_VERSION, product_version=__version__, cluster_name=self._cluster_name
        )

    def _opener(self, call: Call) -> streams.Opener:
        def opened(wanted: Wanted) -> tuple[Caller, AbstractContextManager[Record]]:
            caller = self._callers.of(call, lambda: wanted)
            return caller, recorded(self._recorder, caller, wanted)

        return opened

    async def _unary(self, verb: str, request: Any, call: Call) -> pb.Object:
        caller = self._callers.of(call, lambda: wanted_of(verb, request))
        try:
            return pb.Object(json=await self._calls.run(verb, request, caller))
        except errors.KubeActorsError as error:
            raise as_api_error(error) from error

    def _read_path(self, path: str, call: Call) -> None:
        """What a call that only reads `path` has to pass. Raises Forbidden or Unauthorized."""
        wanted = Wanted("get", path=path)
        caller = self._callers.of(call, lambda: wanted)
        with recorded(self._recorder, caller, wanted):
            self._operations.authorize_path(caller.user, "get", path)


def _event_encoder(resource: Resource, table_at: Callable[[], float] | None) -> Callable[[WatchEvent], bytes]:
    """One event as a WatchBatch of its own, remembered with the event's bytes for the next watcher."""
    convert = versions.bytes_converter(resource if table_at is None else versions.stored(resource))

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
