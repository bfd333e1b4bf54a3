"""Watches: where to begin, what is there already, bookmarks, and how a watch ends.

Kubernetes: k8s.io/apiserver/pkg/storage/cacher. A watch begins by `resourceVersion`: empty or 0 with the present
objects as ADDED, a number with what came after it. With sendInitialEvents the present objects come first, then a
bookmark annotated k8s.io/initial-events-end.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from kube_actors.api import encoding, errors
from kube_actors.api.errors import Cause
from kube_actors.api.resources import Resource
from kube_actors.apiserver import versions
from kube_actors.apiserver.cache.bucket import Bucket
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.cache.entry import Entry, Frame
from kube_actors.apiserver.cache.selection import Selection
from kube_actors.apiserver.cache.watcher import EventType, Watcher, WatchEvent
from kube_actors.apiserver.custom.conversion import Conversions
from kube_actors.apiserver.listing import candidates, check, parse_version, select
from kube_actors.apiserver.request import ListOptions, Target

INITIAL_END = "k8s.io/initial-events-end"
BOOKMARK_SECONDS = 60.0
# Without timeoutSeconds a watch ends after 30 to 60 minutes, so that clients spread over servers again.
MIN_SECONDS = 1800.0
INITIAL_BATCH = 500


class WatchSession:
    """One watch. `start` raises what ends it before its first event; then iterate over batches of events."""

    def __init__(self, cache: Cache, target: Target, options: ListOptions, conversions: Conversions) -> None:
        check(options)
        _check_initial(options)
        self._cache = cache
        self._resource = target.resource
        self._conversions = conversions
        self._options = options
        self._selection = select(cache, target, options)
        self._bucket = cache.bucket(versions.stored(target.resource))
        self._initial = options.resource_version in ("", "0") or bool(options.send_initial_events)
        if options.send_initial_events is False:
            self._initial = False
        self._from = parse_version_of_watch(options.resource_version)

    async def start(self) -> None:
        """Wait until the cache has what the watch shall begin with."""
        options = self._options
        if options.send_initial_events and self._from:
            await self._cache.reach(self._from)
        elif not options.resource_version:
            await self._cache.fresh()

    async def events(self) -> AsyncIterator[list[WatchEvent]]:
        """Batches until the watch's time is up, its reader is too slow or the server stops."""
        custom = self._resource.custom
        async with aclosing(self._events()) as batches:
            async for batch in batches:
                if custom:
                    try:
                        await self._prepare(batch)
                    except errors.ApiError as error:
                        yield [WatchEvent(EventType.ERROR, Frame(encoding.dumps(error.status())))]
                        return
                yield batch

    async def _prepare(self, batch: list[WatchEvent]) -> None:
        """Have the objects converted that a webhook converts. Raises ApiError."""
        data = [event.frame.data for event in batch if event.type not in (EventType.BOOKMARK, EventType.ERROR)]
        await self._conversions.prepare_bytes(self._resource, data)

    async def _events(self) -> AsyncGenerator[list[WatchEvent], None]:
        if not self._initial and self._from and self._from < self._bucket.window.low:
            low = self._bucket.window.low
            yield [_expired(f"too old resource version: {self._from} ({low})")]
            return
        start = self._cache.revision if self._initial or not self._from else self._from
        watcher = Watcher(self._selection, start)
        bucket = self._bucket
        bucket.attach(watcher)
        try:
            # No await stands between the state below and `attach`: nothing is missed or doubled.
            entries = _matching(bucket, self._selection) if self._initial else []
            missed = [] if self._initial else watcher.translate(bucket.window.since(start))
            for position in range(0, len(entries), INITIAL_BATCH):
                batch = entries[position : position + INITIAL_BATCH]
                yield [WatchEvent(EventType.ADDED, Frame(entry.data)) for entry in batch]
            del entries
            if missed:
                yield missed
            if self._options.send_initial_events and self._options.allow_bookmarks:
                yield [_bookmark(self._resource, start, initial_end=True)]
            async for events in self._live(watcher):
                yield events
        finally:
            bucket.detach(watcher)

    async def _live(self, watcher: Watcher) -> AsyncIterator[list[WatchEvent]]:
        loop = asyncio.get_running_loop()
        seconds = self._options.timeout_seconds or MIN_SECONDS * (1 + random.random())
        end = loop.time() + seconds
        next_bookmark = loop.time() + BOOKMARK_SECONDS
        while True:
            until = min(end, next_bookmark) if self._options.allow_bookmarks else end
            try:
                async with asyncio.timeout_at(until):
                    await watcher.wait()
            except TimeoutError:
                revision = self._cache.revision
                events = watcher.take()
                if self._options.allow_bookmarks and not events:
                    events = [_bookmark(self._resource, revision)]
                next_bookmark = loop.time() + BOOKMARK_SECONDS
                if events:
                    yield events
                if loop.time() >= end:
                    return
                continue
            events = watcher.take()
            if watcher.cut:
                yield [_expired("the watcher fell behind or the server lost its place in history; list again")]
                return
            if events:
                yield events


def parse_version_of_watch(text: str) -> int:
    """A watch's resourceVersion; what is no number is a 500, as kube-apiserver has it."""
    try:
        return parse_version(text)
    except errors.BadRequest as error:
        raise errors.ApiError(error.message) from None


def _check_initial(options: ListOptions) -> None:
    """Kubernetes: validateWatchOptions."""
    causes = []
    match = options.resource_version_match
    if options.send_initial_events is not None:
        field = "resourceVersionMatch"
        if not match:
            text = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            causes.append(Cause("FieldValueForbidden", text, field))
        elif match != "NotOlderThan":
            text = f'Unsupported value: "{match}": supported values: "NotOlderThan"'
            causes.append(Cause("FieldValueNotSupported", text, field))
    elif match:
        text = "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        causes.append(Cause("FieldValueForbidden", text, "resourceVersionMatch"))
    if causes:
        raise errors.invalid("ListOptions", "meta.k8s.io", "", causes)


def _matching(bucket: Bucket, selection: Selection) -> list[Entry]:
    low, high = bucket.keys(selection.namespace)
    entries = candidates(bucket, selection, low, high)
    return entries if selection.unfiltered else [entry for entry in entries if selection.matches(entry)]


def _expired(text: str) -> WatchEvent:
    return WatchEvent(EventType.ERROR, Frame(encoding.dumps(errors.Expired(text).status())))


def _bookmark(resource: Resource, revision: int, *, initial_end: bool = False) -> WatchEvent:
    metadata: dict[str, object] = {"resourceVersion": str(revision)}
    if initial_end:
        metadata["annotations"] = {INITIAL_END: "true"}
    obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    return WatchEvent(EventType.BOOKMARK, Frame(encoding.dumps(obj)))
