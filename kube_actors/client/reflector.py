"""List and watch without end: the changes of one resource, with a marker where everything is listed.

list ──> Listed(objects) ──> watch ──> Changed(events) ──> Changed(events) ...
  ^                            |
  |                            +─ ended, or the server is away: watch again from the last resourceVersion
  +──────── 410 Expired ───────+
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.clock import Clock
from kube_actors.api import Obj
from kube_actors.api.errors import ApiError, Expired, KubeActorsError
from kube_actors.api.resources import Resource
from kube_actors.client.interface import Client
from kube_actors.client.types import BOOKMARK, Event, Events
from kube_actors.rpc.errors import RpcError

log = structlog.get_logger(__name__)

RETRY = Backoff(initial=0.1, factor=2.0, maximum=10.0, jitter=0.2)
# A watch that ends this soon without a word is a failure: asked again at once it would spin.
SHORT_WATCH = 1.0
# Codes of a server that will serve the same watch later.
TEMPORARY = (429, 500, 503, 504)


@dataclass(frozen=True, slots=True)
class Scope:
    """What to list and watch."""

    resource: Resource
    namespace: str = ""
    labels: str = ""
    fields: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """Everything that is there now; what is not in it is gone."""

    objects: list[Obj]


@dataclass(frozen=True, slots=True)
class Changed:
    """Changes since the last yield, in order."""

    events: Events


@dataclass(slots=True)
class Reflector:
    """`changes()` yields forever. Failures are logged and backed off; it ends only by being closed."""

    client: Client
    scope: Scope
    clock: Clock
    # Where the next watch starts; empty: list first.
    resource_version: str = ""
    failures: int = 0

    async def changes(self) -> AsyncGenerator[Listed | Changed, None]:
        while True:
            try:
                async with aclosing(self._continuous()) as changes:
                    async for change in changes:
                        yield change
            except Expired:
                # The usual cure is a new list, but one that is expired at once must not spin.
                self.resource_version = ""
                self.failures += 1
            except Exception as error:  # noqa: BLE001  the boundary: the cache has to become current again
                self._failed(error)
            await self.clock.sleep(RETRY.delay(self.failures))

    async def _continuous(self) -> AsyncGenerator[Listed | Changed, None]:
        """A list, then watches one after the other, until an error."""
        if not self.resource_version:
            listed = await self.client.list(
                self.scope.resource, self.scope.namespace, labels=self.scope.labels, fields=self.scope.fields
            )
            for obj in listed.items:
                _trim(obj)
            yield Listed(listed.items)
            self.resource_version = listed.resource_version
        while True:
            started = self.clock.now()
            async with aclosing(self._watch()) as batches:
                async for events in batches:
                    self.failures = 0
                    self.resource_version = events[-1].object["metadata"]["resourceVersion"]
                    for event in events:
                        _trim(event.object)
                    if changed := [event for event in events if event.type != BOOKMARK]:
                        yield Changed(changed)
            if self.clock.now() - started < SHORT_WATCH:
                self.failures += 1
                return
            self.failures = 0

    def _watch(self) -> AsyncGenerator[list[Event], None]:
        batches: AsyncIterator[list[Event]] = self.client.watch(
            self.scope.resource,
            self.scope.namespace,
            labels=self.scope.labels,
            fields=self.scope.fields,
            resource_version=self.resource_version,
        )
        # Both clients give generators; the interface promises an iterator only.
        return cast("AsyncGenerator[list[Event], None]", batches)

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        # A server that cannot serve this watch at all may serve a new list.
        if not (isinstance(error, RpcError) or (isinstance(error, ApiError) and error.code in TEMPORARY)):
            self.resource_version = ""
        unexpected = None if isinstance(error, KubeActorsError) else error
        log.warning(
            "cannot watch",
            resource=self.scope.resource.qualified,
            error=str(error),
            failures=self.failures,
            exc_info=unexpected,
        )


def _trim(obj: Obj) -> None:
    """Caches do without managedFields, half of many an object; a write without them keeps those of the server."""
    obj["metadata"].pop("managedFields", None)
