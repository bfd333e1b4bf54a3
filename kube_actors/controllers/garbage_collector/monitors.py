"""Watches every resource that can be deleted; custom resources as they come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import structlog

from kube_actors.api.resources import BUILTIN, Registry, Resource
from kube_actors.client.informer import Handler, Informer
from kube_actors.controllers.base import Context

log = structlog.get_logger(__name__)

# Events own nothing, are owned by nothing, and are the most frequent objects of all.
IGNORED = frozenset({("", "events"), ("events.k8s.io", "events")})
_TOGETHER = 8
_NEEDED = frozenset({"delete", "list", "watch"})


def monitored(resources: Iterable[Resource]) -> dict[tuple[str, str], Resource]:
    """What to watch, each resource in one version."""
    chosen: dict[tuple[str, str], Resource] = {}
    for resource in resources:
        key = (resource.group, resource.plural)
        if key not in IGNORED and set(resource.verbs) >= _NEEDED:
            chosen.setdefault(key, resource)
    return chosen


class Monitors:
    """Informers of all resources, shared with the other controllers where they have one.

    `adopt(resources)` is called with what discovery shows, again and again.
    """

    def __init__(self, context: Context, handler: Callable[[Resource], Handler]) -> None:
        self._context = context
        self._handler = handler
        self._running: dict[tuple[str, str], Informer] = {}
        # Those that are not shared, since their resource may go and come back.
        self._custom: dict[tuple[str, str], Informer] = {}
        # By kind, for owner references, in all versions.
        self.kinds = Registry(())

    async def adopt(self, resources: Sequence[Resource], wait: float) -> list[str]:
        """Watch what is new, forget what is gone; the names of those that have no list after `wait` seconds."""
        self.kinds = Registry(resources)
        wanted = monitored(resources)
        for key in self._custom.keys() - wanted.keys():
            # The deletions of its objects were seen before it went.
            await self._custom.pop(key).stop()
            del self._running[key]
        new = [resource for key, resource in wanted.items() if key not in self._running]
        started = [self._start(resource) for resource in new]
        for begin in range(0, len(started), _TOGETHER):
            # A few at a time: sixty first lists at once would make every other start wait.
            batch = started[begin : begin + _TOGETHER]
            for informer in batch:
                await informer.start()
            await _synced(batch, wait)
        return [informer.resource.qualified for informer in started if not informer.has_synced]

    async def stop(self) -> None:
        """Ends the watches of custom resources; the shared ones are the manager's."""
        for informer in self._custom.values():
            await informer.stop()

    def _start(self, resource: Resource) -> Informer:
        key = (resource.group, resource.plural)
        if BUILTIN.find(resource.group, resource.version, resource.plural) is None:
            informer = self._custom[key] = Informer(self._context.client, resource, clock=self._context.clock)
        else:
            informer = self._context.informers.informer(resource)
        informer.add_handler(self._handler(resource))
        self._running[key] = informer
        return informer


async def _synced(informers: Sequence[Informer], wait: float) -> None:
    try:
        async with asyncio.timeout(wait):
            for informer in informers:
                await informer.synced()
    except TimeoutError:
        log.warning("some resources cannot be listed; their objects are not collected until they can")
