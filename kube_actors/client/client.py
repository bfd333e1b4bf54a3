"""The gRPC client of the API server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any

from kube_actors.api import Obj, encoding, errors
from kube_actors.api.errors import ApiError
from kube_actors.api.meta import namespace_of
from kube_actors.api.resources import Resource
from kube_actors.client import requests
from kube_actors.client.session import MAX_CALLS, Session
from kube_actors.client.types import MERGE_PATCH, Binding, Event, Events, ObjList, VersionInfo
from kube_actors.rpc.channel import Channel, Conversation, Stub
from kube_actors.rpc.errors import RpcError
from kube_actors.rpc.pb import api_pb2 as pb
from kube_actors.rpc.tls import ClientTLS

KUBE = pb.DESCRIPTOR.services_by_name["Kube"]
EVENT_TYPES = {number: name for name, number in pb.WatchEvent.Type.items()}


class KubeClient:
    """A client of the API server at any of `addresses` (its replicas). See `interface.Client` for the errors.

    Gets and writes share one Session stream; lists, watches, bindings and logs are calls of their own.
    `timeout` bounds a get or write in seconds; `patience` is how long such a call waits while the
    server cannot be reached, 0 fails at once. `most` bounds the gets and writes that are under way together:
    what a flood of them leaves of the server's time is for others.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        tls: ClientTLS | None = None,
        token: str = "",
        user_agent: str = "kube-actors",
        *,
        timeout: float = 60.0,
        patience: float = 10.0,
        most: int = MAX_CALLS,
    ) -> None:
        self._addresses = tuple(addresses)
        self._tls = tls
        self._token = token
        self._user_agent = user_agent
        self._timeout = timeout
        self._patience, self._most = patience, most
        self._channel: Channel | None = None

    async def start(self) -> None:
        """Open the channel. It dials with the first call; a server that is away is no error here."""
        self._channel = Channel(self._addresses, self._tls, self._token, self._user_agent)
        self._stub = Stub(self._channel, KUBE)
        self._session = Session(self._channel, self._stub, self._patience, self._most)
        self._session.start()

    async def stop(self) -> None:
        if self._channel is None:
            return
        channel, self._channel = self._channel, None
        await self._session.stop()
        await channel.close()

    async def get(self, resource: Resource, name: str, namespace: str = "", *, subresource: str = "") -> Obj:
        """One object."""
        request = pb.GetRequest(ref=requests.ref(resource, namespace, name, subresource))
        return await self._session.call(get=request, repeatable=True, timeout=self._timeout)

    async def get_table(self, resource: Resource, name: str, namespace: str = "") -> Obj:
        """One object as a meta.k8s.io/v1 Table."""
        request = pb.GetRequest(ref=requests.ref(resource, namespace, name), as_table=True)
        return await self._session.call(get=request, repeatable=True, timeout=self._timeout)

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
        as_table: bool = False,
    ) -> ObjList:
        """A consistent list; an empty namespace means all. With `as_table` the items are Tables, one a page."""
        request = pb.ListRequest(
            ref=requests.ref(resource, namespace),
            label_selector=labels,
            field_selector=fields,
            limit=limit,
            continue_token=continue_token,
            resource_version=resource_version,
            as_table=as_table,
        )
        items: list[Obj] = []
        version = token = ""
        async with aclosing(self._stub.stream("List", request)) as pages:
            async for page in pages:
                items.extend(map(encoding.loads, page.items))
                version = page.resource_version or version
                token = page.continue_token
        return ObjList(items, version, token)

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        send_initial_events: bool = False,
        timeout_seconds: int = 0,
        as_table: bool = False,
    ) -> AsyncGenerator[Events, None]:
        """Changes after `resource_version`; see `interface.Client.watch`."""
        request = pb.WatchRequest(
            ref=requests.ref(resource, namespace),
            label_selector=labels,
            field_selector=fields,
            resource_version=resource_version,
            allow_bookmarks=True,
            send_initial_events=send_initial_events,
            timeout_seconds=timeout_seconds,
            as_table=as_table,
        )
        async with aclosing(self._stub.stream("Watch", request)) as batches:
            async for batch in batches:
                events = [_event(event) for event in batch.events if event.type != pb.WatchEvent.ERROR]
                if events:
                    yield events
                if len(events) < len(batch.events):
                    raise _refusal(batch)

    async def create(
        self,
        resource: Resource,
        obj: Obj,
        *,
        namespace: str | None = None,
        name: str = "",
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> Obj:
        """The object as created. `namespace`: the object's own by default. `name` goes with a subresource."""
        where = namespace_of(obj) if namespace is None else namespace
        request = pb.CreateRequest(
            ref=requests.ref(resource, where, name, subresource),
            object=encoding.dumps(obj),
            options=requests.write_options(dry_run, field_manager, field_validation),
        )
        return await self._session.call(create=request, timeout=self._timeout)

    async def update(
        self,
        resource: Resource,
        obj: Obj,
        *,
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> Obj:
        """Replace; Conflict where the object's resourceVersion (if it has one) is not the present one."""
        request = pb.UpdateRequest(
            ref=requests.object_ref(resource, obj, subresource),
            object=encoding.dumps(obj),
            options=requests.write_options(dry_run, field_manager, field_validation),
        )
        return await self._session.call(update=request, timeout=self._timeout)

    async def update_status(self, resource: Resource, obj: Obj, *, field_manager: str = "") -> Obj:
        """Replace the status alone."""
        return await self.update(resource, obj, subresource="status", field_manager=field_manager)

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Obj | Sequence[Any] | bytes,
        namespace: str = "",
        *,
        type: str = MERGE_PATCH,
        subresource: str = "",
        force: bool = False,
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> Obj:
        """The object as patched. `force` is for apply patches: take over fields of other managers."""
        request = pb.PatchRequest(
            ref=requests.ref(resource, namespace, name, subresource),
            type=type,
            patch=requests.patch_body(patch),
            force=force,
            options=requests.write_options(dry_run, field_manager, field_validation),
        )
        return await self._session.call(patch=request, timeout=self._timeout)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str = "",
        resource_version: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
        dry_run: bool = False,
    ) -> Obj:
        """The object where it stays (finalizers, graceful deletion), else a Status."""
        options = requests.delete_options(
            uid=uid,
            resource_version=resource_version,
            grace_seconds=grace_seconds,
            propagation=propagation,
            dry_run=dry_run,
        )
        request = pb.DeleteRequest(ref=requests.ref(resource, namespace, name), options=options)
        return await self._session.call(delete=request, timeout=self._timeout)

    async def delete_collection(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        grace_seconds: int | None = None,
        propagation: str = "",
        dry_run: bool = False,
    ) -> Obj:
        """Delete what the selectors choose, each object on its own."""
        options = requests.delete_options(
            uid="", resource_version="", grace_seconds=grace_seconds, propagation=propagation, dry_run=dry_run
        )
        request = pb.DeleteCollectionRequest(
            ref=requests.ref(resource, namespace), options=options, label_selector=labels, field_selector=fields
        )
        answer = await self._stub.unary("DeleteCollection", request, self._timeout)
        return _object(answer)

    async def bind(self, bindings: Sequence[Binding]) -> Sequence[ApiError | None]:
        """Bind pods to nodes: one result a binding, in order, None for success."""
        request = pb.BindRequest(
            bindings=[
                pb.Binding(namespace=each.namespace, name=each.name, uid=each.uid, node=each.node) for each in bindings
            ]
        )
        response = await self._stub.unary("Bind", request, self._timeout)
        if len(response.results) != len(bindings):
            raise RpcError("INTERNAL", f"{len(bindings)} bindings got {len(response.results)} results")
        return [
            errors.from_status(encoding.loads(result.status)) if result.status else None for result in response.results
        ]

    async def logs(
        self,
        namespace: str,
        pod: str,
        *,
        container: str = "",
        follow: bool = False,
        previous: bool = False,
        timestamps: bool = False,
        tail_lines: int | None = None,
        limit_bytes: int | None = None,
        since_seconds: int | None = None,
        since_time: str = "",
    ) -> AsyncGenerator[bytes, None]:
        """The lines of a container's log, in chunks as they come."""
        request = pb.LogsRequest(
            namespace=namespace,
            pod=pod,
            container=container,
            follow=follow,
            previous=previous,
            timestamps=timestamps,
            tail_lines=tail_lines,
            limit_bytes=limit_bytes,
            since_seconds=since_seconds,
            since_time=since_time,
        )
        async with aclosing(self._stub.stream("Logs", request)) as chunks:
            async for chunk in chunks:
                yield chunk.data

    async def exec(
        self,
        namespace: str,
        pod: str,
        command: Sequence[str],
        *,
        container: str = "",
        stdin: bool = False,
        tty: bool = False,
    ) -> Conversation:
        """Run a command in a container: write ExecInputs, read ExecOutputs up to the exit code; cancel it at the end.

        Without a command: take part in the container's main process.
        """
        ref = pb.ContainerRef(namespace=namespace, pod=pod, container=container)
        opening = pb.ExecOpen(ref=ref, command=command, stdin=stdin, stdout=True, stderr=not tty, tty=tty)
        return await self._opened("Exec" if command else "Attach", pb.ExecInput(open=opening))

    async def port_forward(self, namespace: str, pod: str, port: int) -> Conversation:
        """Connect to a port of a pod: write and read DialData; cancel it at the end."""
        ref = pb.ContainerRef(namespace=namespace, pod=pod)
        return await self._opened("PortForward", pb.DialData(ref=ref, port=port))

    async def _opened(self, method: str, opening: object) -> Conversation:
        """A conversation, once the server has said that it stands."""
        conversation = self._stub.open(method)
        try:
            with suppress(RpcError):
                # Where it has ended already, only `read` knows why.
                await conversation.write(opening)
            if await conversation.read() is None:
                raise RpcError("UNAVAILABLE", "the server ended the session at once")
        except BaseException:
            conversation.cancel()
            raise
        return conversation

    async def discover(self) -> Sequence[Resource]:
        """What the server serves."""
        response = await self._stub.unary("Discover", pb.DiscoverRequest(), self._timeout)
        return [
            Resource(
                group=each.group,
                version=each.version,
                plural=each.resource,
                kind=each.kind,
                namespaced=each.namespaced,
                short_names=tuple(each.short_names),
                categories=tuple(each.categories),
                verbs=tuple(each.verbs),
            )
            for each in response.resources
        ]

    async def version(self) -> VersionInfo:
        """What answers. Fails at once where nothing does: the call to find out with."""
        response = await self._stub.unary("Version", pb.VersionRequest(), self._timeout)
        return VersionInfo(response.git_version, response.product_version, response.cluster_name)


def _event(event: pb.WatchEvent) -> Event:
    return Event(EVENT_TYPES[event.type], encoding.loads(event.object))


def _object(answer: pb.Object) -> Obj:
    obj: Obj = encoding.loads(answer.json)
    return obj


def _refusal(batch: pb.WatchBatch) -> ApiError:
    """The error of the ERROR event, after which a watch is over."""
    status = next(event.object for event in batch.events if event.type == pb.WatchEvent.ERROR)
    return errors.from_status(encoding.loads(status))
