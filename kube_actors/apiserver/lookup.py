"""Other objects for admission plugins, decoded; see `admission.chain.Lookup`."""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj, encoding
from kube_actors.api.resources import Resource
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.cache.entry import Entry
from kube_actors.apiserver.storage import Storage


class Changes:
    """A flag that the cache raises; see `admission.chain.Changes`."""

    __slots__ = ("stale",)

    def __init__(self) -> None:
        self.stale = True

    def reset(self, entries: Iterable[Entry]) -> None:
        self.stale = True

    def apply(self, key: str, entry: Entry | None) -> None:
        self.stale = True


class CacheLookup:
    """Remembers the decoded objects of what it was asked, until they change."""

    def __init__(self, cache: Cache, storage: Storage) -> None:
        self._cache = cache
        self._storage = storage
        self._decoded: dict[tuple[Resource, str], tuple[int, Obj]] = {}

    def cached(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        """Read-only by contract: the object is shared between callers."""
        key = f"{namespace}/{name}" if resource.namespaced else name
        entry = self._cache.latest(resource, key)
        return None if entry is None else self._decode(resource, entry)

    async def read(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        kv, _ = await self._storage.get(resource.store_key(namespace, name).encode())
        return None if kv is None else encoding.decode(kv.value, kv.mod_revision)

    def changes(self, *resources: Resource) -> Changes:
        flag = Changes()
        for resource in resources:
            self._cache.follow(resource, flag)
        return flag

    def all(self, resource: Resource, namespace: str = "") -> list[Obj]:
        bucket = self._cache.bucket(resource)
        if not bucket:  # most clusters have no limits, no policies, no webhooks
            return []
        return [self._decode(resource, entry) for entry in bucket.entries(*bucket.keys(namespace))]

    def _decode(self, resource: Resource, entry: Entry) -> Obj:
        known = self._decoded.get((resource, entry.key))
        if known is not None and known[0] == entry.revision:
            return known[1]
        if len(self._decoded) > 10_000:
            self._decoded.clear()
        obj = entry.decode()
        self._decoded[resource, entry.key] = (entry.revision, obj)
        return obj
