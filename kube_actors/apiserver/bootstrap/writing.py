"""Writing first objects, as the user `system:apiserver`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj, encoding, errors
from kube_actors.api.resources import Resource
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.request import Request, Target, User, WriteOptions

SYSTEM = User("system:apiserver", ("system:masters", "system:authenticated"))
AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"


class Existing(Enum):
    """What becomes of an object that is there already."""

    KEEP = "keep"
    # It is written anew: it says something of this server.
    REPLACE = "replace"
    # Its spec is put right, unless an administrator has taken it over by its annotation.
    UPDATE_SPEC = "update spec"


@dataclass(frozen=True, slots=True)
class First:
    """An object without kind and version, and conditions (without times) for its status where it is new."""

    resource: Resource
    obj: Obj
    existing: Existing = Existing.KEEP
    conditions: tuple[Obj, ...] = ()

    @property
    def target(self) -> Target:
        return Target(self.resource, self.obj["metadata"].get("namespace", ""))

    @property
    def named(self) -> Target:
        return Target(self.resource, self.target.namespace, self.obj["metadata"]["name"])

    def body(self, obj: Obj | None = None) -> bytes:
        return encoding.dumps(
            {"kind": self.resource.kind, "apiVersion": self.resource.api_version, **(obj or self.obj)}
        )


class Writing:
    def __init__(self, operations: Operations, now: float) -> None:
        self._operations = operations
        self._now = now

    async def write_all(self, objects: Iterable[First]) -> None:
        """Write objects that do not need each other. Raises the first ApiError, when all have been tried."""
        outcomes = await asyncio.gather(*map(self._write, objects), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _write(self, first: First) -> None:
        try:
            await self._operations.create(Request(SYSTEM, first.target), first.body(), WriteOptions())
        except errors.AlreadyExists:
            await self._settle(first)
            return
        except errors.Invalid as error:
            # The Service's address is its own: somebody was faster.
            if "already allocated" not in error.message:
                raise
            return
        if first.conditions:
            await self._set_conditions(first)

    async def _settle(self, first: First) -> None:
        if first.existing is Existing.REPLACE:
            await self._operations.update(Request(SYSTEM, first.named), first.body(), WriteOptions())
        elif first.existing is Existing.UPDATE_SPEC:
            request = Request(SYSTEM, first.named)
            present = encoding.loads(await self._operations.get(request))
            mine = (present["metadata"].get("annotations") or {}).get(AUTO_UPDATE) == "true"
            if mine and present["spec"] != first.obj["spec"]:
                await self._operations.update(request, first.body({**present, **first.obj}), WriteOptions())

    async def _set_conditions(self, first: First) -> None:
        target = first.named
        request = Request(SYSTEM, Target(target.resource, target.namespace, target.name, "status"))
        conditions = [{**condition, "lastTransitionTime": rfc3339(int(self._now))} for condition in first.conditions]
        body = first.body({**first.obj, "status": {"conditions": conditions}})
        await self._operations.update(request, body, WriteOptions())
