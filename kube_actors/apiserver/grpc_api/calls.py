"""The unary calls, each as a function of a message and a caller; the service and the session share them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from kube_actors.aio.clock import Clock
from kube_actors.api.resources import Registry
from kube_actors.apiserver import decoding, printing
from kube_actors.apiserver.aggregation.reads import RemoteReads, target_of
from kube_actors.apiserver.fairness import Fairness
from kube_actors.apiserver.grpc_api import options
from kube_actors.apiserver.grpc_api.auditing import Caller, Recorder, Wanted, selection
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.registry.registry import Written
from kube_actors.apiserver.request import ListOptions, Request, Target, User
from kube_actors.rpc.pb import api_pb2 as pb

# The field of a message that is the body of the request.
_BODIES = {"create": "object", "update": "object", "patch": "patch", "delete": "options", "deletecollection": "options"}
# From what a call is about to the request of its caller.
Ask = Callable[[Target], Request]


class Calls:
    """`run` is a call with all that belongs to it. It answers the bytes of the object, and raises ApiErrors."""

    def __init__(
        self,
        operations: Operations,
        resources: Registry,
        fairness: Fairness,
        recorder: Recorder | None,
        clock: Clock,
        remote: RemoteReads | None = None,
    ) -> None:
        self._operations = operations
        self._remote = remote
        self._resources = resources
        self._fairness = fairness
        self._recorder = recorder
        self._clock = clock
        # By verb; those of a session are named so, too.
        self._verbs: dict[str, Callable[[Any, Ask], Awaitable[Written]]] = {
            "get": self._get,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }

    async def run(self, verb: str, message: Any, caller: Caller) -> bytes:
        """One call, in its turn, and in the audit log where there is one."""
        if self._recorder is None:
            return (await self._in_turn(verb, message, caller.user, {})).data
        with self._recorder.call(caller, wanted(verb, message)) as record:
            written = await self._in_turn(verb, message, caller.user, record.annotations)
            record.answered(written.data, 201 if written.created else 200)
        return written.data

    async def _in_turn(self, verb: str, message: Any, user: User, annotations: dict[str, str]) -> Written:
        def ask(target: Target) -> Request:
            return Request(user, target, audit_annotations=annotations)

        if self._fairness.level_of(user, message.ref.resource) is None:
            return await self._verbs[verb](message, ask)
        async with self._fairness.turn(user, message.ref.resource):
            return await self._verbs[verb](message, ask)

    async def _get(self, message: pb.GetRequest, ask: Ask) -> Written:
        if self._remote is not None and (remote := self._remote.of(message.ref)) is not None:
            return Written(await self._remote.get(ask(target_of(message.ref)), remote))
        target = options.named(options.target(self._resources, message.ref))
        data = await self._operations.get(ask(target), message.resource_version, kept=message.as_table)
        if message.as_table:
            return Written(printing.table_of_one(target.resource, self._clock.now())(data))
        return Written(data)

    async def _create(self, message: pb.CreateRequest, ask: Ask) -> Written:
        target = options.in_namespace(options.target(self._resources, message.ref))
        return await self._operations.create(ask(target), message.object, options.write(message.options))

    async def _update(self, message: pb.UpdateRequest, ask: Ask) -> Written:
        target = options.named(options.target(self._resources, message.ref))
        return await self._operations.update(ask(target), message.object, options.write(message.options))

    async def _patch(self, message: pb.PatchRequest, ask: Ask) -> Written:
        target = options.named(options.target(self._resources, message.ref))
        chosen = replace(options.write(message.options), force=message.force or None)
        return await self._operations.patch(ask(target), message.type, message.patch, chosen)

    async def _delete(self, message: pb.DeleteRequest, ask: Ask) -> Written:
        target = options.named(options.target(self._resources, message.ref))
        return Written(await self._operations.delete(ask(target), decoding.delete_options(message.options)))

    async def _delete_collection(self, message: pb.DeleteCollectionRequest, ask: Ask) -> Written:
        target = options.target(self._resources, message.ref)
        chosen_objects = ListOptions(labels=message.label_selector, fields=message.field_selector)
        chosen = decoding.delete_options(message.options)
        return Written(await self._operations.delete_collection(ask(target), chosen_objects, chosen))


def wanted(verb: str, message: Any) -> Wanted:
    """What a unary call asks for."""
    body = getattr(message, _BODIES[verb]) if verb in _BODIES else b""
    query = selection(message) if verb == "deletecollection" else ()
    return Wanted(verb, message.ref, body=body, query=query)
