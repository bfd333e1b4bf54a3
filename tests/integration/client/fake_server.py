"""A tiny API server behind real gRPC: objects in a dict, and every failure that the client has to survive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from kube_actors.api import Obj, encoding, errors
from kube_actors.client.client import KUBE
from kube_actors.rpc.pb import api_pb2 as pb
from kube_actors.rpc.server import Call, Listener, Server, Service


class Kube:
    """Answers as the API server does, for config maps and such without rules."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Obj] = {}
        self.revision = 0
        self.batch_sizes: list[int] = []
        self.sessions = 0
        # Calls that come while this is set are never answered.
        self.mute = False
        self.swallowed = asyncio.Event()
        # Raised when a session begins.
        self.refuse: errors.KubeActorsError | None = None
        self.watch_script: list[pb.WatchBatch] = []
        self.watch_requests: list[pb.WatchRequest] = []
        self.bind_refusals: dict[str, errors.ApiError] = {}

    async def Session(
        self, incoming: AsyncIterator[pb.SessionRequest], call: Call
    ) -> AsyncIterator[pb.SessionResponse]:
        self.sessions += 1
        if self.refuse is not None:
            raise self.refuse
        async for request in incoming:
            self.batch_sizes.append(len(request.calls))
            if self.mute:
                self.swallowed.set()
                continue
            yield pb.SessionResponse(answers=[self._answer(each) for each in request.calls])

    def _answer(self, call: pb.Call) -> pb.Answer:
        kind = call.WhichOneof("request")
        try:
            obj = getattr(self, f"_{kind}")(getattr(call, kind))
        except errors.ApiError as error:
            return pb.Answer(id=call.id, status=encoding.dumps(error.status()))
        return pb.Answer(id=call.id, object=encoding.dumps(obj))

    def _get(self, request: pb.GetRequest) -> Obj:
        ref = request.ref
        try:
            return self.objects[ref.namespace, ref.name]
        except KeyError:
            raise errors.not_found(ref.resource, ref.group, ref.name) from None

    def _create(self, request: pb.CreateRequest) -> Obj:
        obj: Obj = encoding.loads(request.object)
        key = request.ref.namespace, obj["metadata"]["name"]
        if key in self.objects:
            raise errors.already_exists(request.ref.resource, request.ref.group, key[1])
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        self.objects[key] = obj
        return obj

    def _delete(self, request: pb.DeleteRequest) -> Obj:
        self._get(pb.GetRequest(ref=request.ref))
        self.deleted_with = encoding.loads(request.options) if request.options else None
        del self.objects[request.ref.namespace, request.ref.name]
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    async def List(self, request: pb.ListRequest, call: Call) -> AsyncIterator[pb.ListPage]:
        found = [
            obj for (namespace, _), obj in sorted(self.objects.items()) if request.ref.namespace in ("", namespace)
        ]
        for start in range(0, max(len(found), 1), 2):
            page = [encoding.dumps(obj) for obj in found[start : start + 2]]
            yield pb.ListPage(items=page, resource_version=str(self.revision))

    async def Watch(self, request: pb.WatchRequest, call: Call) -> AsyncIterator[pb.WatchBatch]:
        self.watch_requests.append(request)
        for batch in self.watch_script:
            yield batch

    async def Bind(self, request: pb.BindRequest, call: Call) -> pb.BindResponse:
        refused = [self.bind_refusals.get(each.name) for each in request.bindings]
        return pb.BindResponse(
            results=[pb.BindResult(status=encoding.dumps(error.status()) if error else b"") for error in refused]
        )

    async def Logs(self, request: pb.LogsRequest, call: Call) -> AsyncIterator[pb.LogsChunk]:
        if request.HasField("tail_lines"):
            yield pb.LogsChunk(data=f"tail={request.tail_lines}\n".encode())
        yield pb.LogsChunk(data=b"end\n")

    async def Version(self, request: Any, call: Call) -> pb.VersionResponse:
        return pb.VersionResponse(git_version="v1.36.0", product_version="0.1.0", cluster_name="test")


class FakeServer:
    """`Kube` on a unix socket; can be stopped hard and started again at the same address."""

    def __init__(self, directory: Path) -> None:
        self.address = f"unix:{directory}/api.sock"
        self.kube = Kube()

    async def start(self) -> None:
        self._server = Server([Listener(self.address)], [Service(KUBE, self.kube)])
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(grace=0)
