"""The store as the API server sees it: how long each operation took, and how many failed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from time import perf_counter

from kube_actors.api.errors import KubeActorsError
from kube_actors.apiserver.cache.cache import split_key
from kube_actors.apiserver.metrics.families import Counter, Histogram
from kube_actors.apiserver.storage import KV, EventBatch, RangeResult, Storage
from kube_actors.store.errors import RevisionConflict

# A prefix of keys below /registry/ to the group and resource of what lies there.
Names = Callable[[str], tuple[str, str]]
_BOUNDS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
)  # fmt: skip
_LABELS = ("operation", "group", "resource")


class MeasuredStorage:
    """A Storage around another."""

    def __init__(self, storage: Storage, names: Names) -> None:
        self._storage = storage
        self._names = names
        self._labels: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._durations = Histogram(
            "etcd_request_duration_seconds",
            "Etcd request latency in seconds for each operation and object type.",
            _LABELS,
            _BOUNDS,
        )
        self._requests = Counter(
            "etcd_requests_total", "Etcd request counts for each operation and object type.", _LABELS
        )
        self._errors = Counter(
            "etcd_request_errors_total", "Etcd failed request counts for each operation and object type.", _LABELS
        )

    def lines(self) -> Iterator[str]:
        for family in (self._durations, self._requests, self._errors):
            yield from family.lines()

    async def get(self, key: bytes, *, revision: int = 0) -> tuple[KV | None, int]:
        started = perf_counter()
        try:
            found = await self._storage.get(key, revision=revision)
        except KubeActorsError:
            self._count("get", key, started, failed=True)
            raise
        self._count("get", key, started)
        return found

    async def range(
        self,
        prefix: bytes,
        *,
        start: bytes | None = None,
        limit: int = 0,
        revision: int = 0,
        keys_only: bool = False,
        count_only: bool = False,
    ) -> RangeResult:
        started = perf_counter()
        try:
            found = await self._storage.range(
                prefix, start=start, limit=limit, revision=revision, keys_only=keys_only, count_only=count_only
            )
        except KubeActorsError:
            self._count("list", prefix, started, failed=True)
            raise
        self._count("list", prefix, started)
        return found

    async def put(self, key: bytes, value: bytes, *, expected_revision: int | None = None, lease: int = 0) -> int:
        operation = "update" if expected_revision else "create"
        started = perf_counter()
        try:
            revision = await self._storage.put(key, value, expected_revision=expected_revision, lease=lease)
        except KubeActorsError as error:
            # A compare that does not hold is an answer.
            self._count(operation, key, started, failed=not isinstance(error, RevisionConflict))
            raise
        self._count(operation, key, started)
        return revision

    async def delete(self, key: bytes, *, expected_revision: int | None = None) -> int:
        started = perf_counter()
        try:
            revision = await self._storage.delete(key, expected_revision=expected_revision)
        except KubeActorsError as error:
            self._count("delete", key, started, failed=not isinstance(error, RevisionConflict))
            raise
        self._count("delete", key, started)
        return revision

    async def revision(self) -> int:
        return await self._storage.revision()

    def watch(
        self, prefix: bytes, start_revision: int, *, prev_kv: bool = True, progress: bool = True
    ) -> AsyncIterator[EventBatch]:
        return self._storage.watch(prefix, start_revision, prev_kv=prev_kv, progress=progress)

    async def compact(self, revision: int) -> None:
        await self._storage.compact(revision)

    async def grant_lease(self, ttl: int, lease_id: int = 0) -> int:
        return await self._storage.grant_lease(ttl, lease_id)

    def _count(self, operation: str, key: bytes, started: float, *, failed: bool = False) -> None:
        name = split_key(key)[0]
        labels = self._labels.get((operation, name))
        if labels is None:
            labels = self._labels[operation, name] = (operation, *self._names(name))
        self._requests.add(labels)
        self._durations.add(labels, perf_counter() - started)
        if failed:
            self._errors.add(labels)
