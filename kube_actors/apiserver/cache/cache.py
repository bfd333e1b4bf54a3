"""The cache of everything: one list, then one watch of the store, routed to the buckets of the resources."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Protocol

import structlog

from kube_actors.aio.backoff import Backoff
from kube_actors.aio.tasks import Tasks
from kube_actors.api import errors
from kube_actors.api.resources import Resource
from kube_actors.apiserver.cache.bucket import Bucket
from kube_actors.apiserver.cache.entry import Entry, FieldReader
from kube_actors.apiserver.storage import KV, EventBatch, Storage
from kube_actors.store.errors import Compacted

log = structlog.get_logger(__name__)

ROOT = b"/registry/"
PAGE = 5_000
# How long a reader waits for the cache to reach a revision, as kube-apiserver's watch cache does.
PATIENCE = 3.0
RETRY = Backoff(initial=0.1, maximum=5.0)


class Follower(Protocol):
    """Is told what the cache learns of a resource, before any watcher. It must not wait, nor raise."""

    def reset(self, entries: Iterable[Entry]) -> None:
        """These are all; what was told before is void."""

    def apply(self, key: str, entry: Entry | None) -> None:
        """One object has changed; None: it is gone."""


class Cache:
    """Follows the store. `revision` is the one that every bucket has reached.

    `fields` gives the reader of the selectable fields of the objects below a store prefix.
    """

    def __init__(self, storage: Storage, fields: Callable[[str], FieldReader]) -> None:
        self._storage = storage
        self._fields = fields
        self._tasks = Tasks("apiserver-cache")
        self._buckets: dict[str, Bucket] = {}
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._recent: dict[str, Entry] = {}
        self._followers: dict[str, list[Follower]] = {}
        self._count = 0
        self._low = 0
        self.revision = 0

    async def start(self) -> None:
        """Returns when everything that the store holds is here."""
        await self._load()
        self._tasks.spawn_forever(self._run(), "follow")

    async def stop(self) -> None:
        await self._tasks.stop()
        self._cut_watchers()
        for _, _, waiter in self._waiting:
            waiter.cancel()
        self._waiting.clear()

    def bucket(self, resource: Resource) -> Bucket:
        return self._bucket(bucket_name(resource))

    def buckets(self) -> dict[str, Bucket]:
        """By name, those that have been asked for or filled."""
        return self._buckets

    def follow(self, resource: Resource, follower: Follower) -> None:
        """Tell it all changes of a resource, from the cache's start on."""
        self._followers.setdefault(bucket_name(resource), []).append(follower)

    async def fresh(self) -> None:
        """Wait until all that was acknowledged before this call is in the cache."""
        await self.reach(await self._storage.revision())

    async def reach(self, revision: int) -> None:
        """Wait until the cache is at `revision`; raises Timeout after a few seconds."""
        if self.revision >= revision:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (revision, self._count, waiter))
        try:
            async with asyncio.timeout(PATIENCE):
                await waiter
        except TimeoutError:
            raise too_large(revision, self.revision) from None

    def latest(self, resource: Resource, key: str) -> Entry | None:
        """The newest state known here: the cache's, or what this server has just written."""
        entry = self.bucket(resource).get(key)
        recent = self._recent.get(resource.store_prefix + key)
        if recent is not None and (entry is None or entry.revision < recent.revision):
            return recent
        return entry

    def note_write(self, resource: Resource, entry: Entry) -> None:
        """Remember an acknowledged write until the store's stream brings it."""
        if entry.revision > self.revision:
            self._recent[resource.store_prefix + entry.key] = entry

    def watcher_count(self) -> dict[str, int]:
        """How many watch what, for metrics."""
        counts = ((name, sum(1 for _ in bucket.watchers())) for name, bucket in self._buckets.items())
        return {name: count for name, count in counts if count}

    async def _run(self) -> None:
        failures = 0
        while True:
            before = self.revision
            try:
                await self._follow()
            except Compacted as error:
                # The stream was away for longer than the store keeps history: begin anew, watchers list again.
                log.warning("the store's history is gone; loading all again", revision=self.revision, reason=str(error))
                self._cut_watchers()
                await self._reload()
            except errors.KubeActorsError as error:
                log.warning("the store's stream ended", revision=self.revision, reason=str(error))
            failures = 0 if self.revision > before else failures + 1
            await asyncio.sleep(RETRY.delay(failures))

    async def _follow(self) -> None:
        async for batch in self._storage.watch(ROOT, self.revision + 1, prev_kv=False):
            self._apply(batch)

    async def _reload(self) -> None:
        failures = 0
        while True:
            try:
                await self._load()
                return
            except errors.KubeActorsError as error:
                failures += 1
                log.warning("cannot load from the store", reason=str(error), failures=failures)
                await asyncio.sleep(RETRY.delay(failures))

    async def _load(self) -> None:
        """Read all keys as of one revision."""
        found: dict[str, list[Entry]] = {}
        revision, start = 0, None
        while True:
            page = await self._storage.range(ROOT, start=start, limit=PAGE, revision=revision)
            revision = revision or page.revision
            for kv in page.kvs:
                name, key = split_key(kv.key)
                entry = _entry(key, kv) if key else None
                if entry is not None:
                    found.setdefault(name, []).append(entry)
            if not page.more:
                break
            start = page.kvs[-1].key + b"\0"
        self._low = revision
        self._buckets.clear()
        self._recent.clear()
        for name, entries in found.items():
            self._bucket(name).fill(entries)
        for name, followers in self._followers.items():
            for follower in followers:
                follower.reset(found.get(name, ()))
        self._move_to(revision)

    def _apply(self, batch: EventBatch) -> None:
        touched: set[str] = set()
        for event in batch.events:
            name, key = split_key(event.kv.key)
            if not key:
                continue
            revision = event.kv.mod_revision
            new = None if event.deleted else self._entry_of(name, key, event.kv)
            self._bucket(name).apply(key, new, revision)
            for follower in self._followers.get(name, ()):
                follower.apply(key, new)
            touched.add(name)
        self._move_to(batch.revision)
        for name in touched:
            self._buckets[name].flush()

    def _entry_of(self, name: str, key: str, kv: KV) -> Entry | None:
        """What this server wrote itself is taken as it is, decoded index included."""
        path = f"/registry/{name}/{key}"
        recent = self._recent.get(path)
        if recent is not None and recent.revision <= kv.mod_revision:
            del self._recent[path]
            if recent.revision == kv.mod_revision:
                return recent
        return _entry(key, kv)

    def _move_to(self, revision: int) -> None:
        self.revision = max(self.revision, revision)
        while self._waiting and self._waiting[0][0] <= self.revision:
            _, _, waiter = heapq.heappop(self._waiting)
            if not waiter.done():
                waiter.set_result(None)
        if self._recent and len(self._recent) > 1024:
            self._recent = {path: entry for path, entry in self._recent.items() if entry.revision > self.revision}

    def _bucket(self, name: str) -> Bucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(self._low, self._fields(f"/registry/{name}/"))
        return bucket

    def _cut_watchers(self) -> None:
        for bucket in self._buckets.values():
            for watcher in list(bucket.watchers()):
                watcher.close()


def too_large(wanted: int, current: int) -> errors.Timeout:
    """A resourceVersion from the future: k8s.io/apiserver's NewTooLargeResourceVersionError."""
    cause = errors.Cause("ResourceVersionTooLarge", "Too large resource version")
    text = f"Timeout: Too large resource version: {wanted}, current: {current}"
    return errors.Timeout(text, causes=(cause,), retry_after=1)


def _entry(key: str, kv: KV) -> Entry | None:
    """None for a value that is no object of ours: one bad key must not take the others away."""
    try:
        return Entry.of_stored(key, kv.mod_revision, kv.value, kv.lease)
    except ValueError:
        log.error("a value in the store is no object; it is left out", key=kv.key.decode(errors="replace"))
        return None


@lru_cache(maxsize=4096)
def bucket_name(resource: Resource) -> str:
    """The part of its keys by which the objects of a resource lie together: `pods`, `services/specs`."""
    return resource.store_prefix.removeprefix("/registry/").rstrip("/")


def split_key(key: bytes) -> tuple[str, str]:
    """(resource part, rest) of a key: `pods`, `default/a`; `services/specs`, `a/b`; `example.com/crontabs`, `a/b`."""
    first, _, rest = key[len(ROOT) :].decode().partition("/")
    if first == "services" or "." in first:
        second, _, rest = rest.partition("/")
        return f"{first}/{second}", rest
    return first, rest


def prefixes(resources: Iterable[Resource]) -> set[str]:
    """The store prefixes of resources, as `split_key` finds them; a resource that breaks its rule is a ValueError."""
    found = set()
    for resource in resources:
        name, rest = split_key((resource.store_prefix + "x").encode())
        if not rest or f"/registry/{name}/" != resource.store_prefix:
            raise ValueError(f"the cache cannot tell keys of {resource.qualified} by their prefix")
        found.add(resource.store_prefix)
    return found
