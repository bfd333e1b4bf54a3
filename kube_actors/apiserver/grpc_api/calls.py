"""The unary calls, each as a function of a message and a user; the service and the session share them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from kube_actors.aio.clock import Clock
from kube_actors.api.resources import Registry
from kube_actors.apiserver import decoding, printing
from kube_actors.apiserver.grpc_api import options
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.request import ListOptions, Request, User
from kube_actors.rpc.pb import api_pb2 as pb


class Calls:
    """Each method answers the bytes of the object. Raises ApiErrors."""

    def __init__(self, operations: Operations, resources: Registry, clock: Clock) -> None:
        self._operations = operations
        self._resources = resources
        self._clock = clock
        self.by_name: dict[str, Callable[[Any, User], Awaitable[bytes]]] = {
            "get": self.get,
            "create": self.create,
            "update": self.update,
            "patch": self.patch,
            "delete": self.delete,
        }

    async def get(self, message: pb.GetRequest, user: User) -> bytes:
        target = options.named(options.target(self._resources, message.ref))
        data = await self._operations.get(Request(user, target), message.resource_version)
        if message.as_table:
            return printing.table_of_one(target.resource, self._clock.now())(data)
        return data

    async def create(self, message: pb.CreateRequest, user: User) -> bytes:
        target = options.in_namespace(options.target(self._resources, message.ref))
        written = await self._operations.create(Request(user, target), message.object, options.write(message.options))
        return written.data

    async def update(self, message: pb.UpdateRequest, user: User) -> bytes:
        target = options.named(options.target(self._resources, message.ref))
        written = await self._operations.update(Request(user, target), message.object, options.write(message.options))
        return written.data

    async def patch(self, message: pb.PatchRequest, user: User) -> bytes:
        target = options.named(options.target(self._resources, message.ref))
        chosen = replace(options.write(message.options), force=message.force or None)
        written = await self._operations.patch(Request(user, target), message.type, message.patch, chosen)
        return written.data

    async def delete(self, message: pb.DeleteRequest, user: User) -> bytes:
        target = options.named(options.target(self._resources, message.ref))
        return await self._operations.delete(Request(user, target), decoding.delete_options(message.options))

    async def delete_collection(self, message: pb.DeleteCollectionRequest, user: User) -> bytes:
        target = options.target(self._resources, message.ref)
        selection = ListOptions(labels=message.label_selector, fields=message.field_selector)
        chosen = decoding.delete_options(message.options)
        return await self._operations.delete_collection(Request(user, target), selection, chosen)
