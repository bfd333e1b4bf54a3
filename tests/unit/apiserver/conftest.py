"""A store in memory and the pipeline on top of it, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kube_actors.aio.clock import LoopClock
from kube_actors.api import Obj, encoding
from kube_actors.api.resources import BUILTIN, NAMESPACES, Resource
from kube_actors.apiserver.config import ApiServerConfig, ServiceAccountConfig
from kube_actors.apiserver.request import DeleteOptions, ListOptions, Request, Target, User, WriteOptions
from kube_actors.apiserver.server import Pipeline
from kube_actors.rpc.tls import ServerTLS
from kube_actors.store.client import KV, EventBatch, RangeResult, StoreEvent
from kube_actors.store.errors import Compacted, RevisionConflict

ADMIN = User("admin", ("system:masters",))
TOKEN_KEY = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


class MemoryStorage:
    """The StoreClient's contract over a list of events. `hold_events` delays what watchers see."""

    def __init__(self) -> None:
        self.head = 1
        self.compacted = 0
        self.writes = 0
        self.leases: list[int] = []
        self.events: list[StoreEvent] = []
        self._news = asyncio.Condition()
        self._open = asyncio.Event()
        self._open.set()

    def hold_events(self) -> None:
        self._open.clear()

    def let_events_go(self) -> None:
        self._open.set()

    def state(self, revision: int = 0) -> dict[bytes, KV]:
        found: dict[bytes, KV] = {}
        for event in self.events:
            if revision and event.kv.mod_revision > revision:
                break
            if event.deleted:
                found.pop(event.kv.key, None)
            else:
                found[event.kv.key] = event.kv
        return found

    async def get(self, key: bytes, *, revision: int = 0) -> tuple[KV | None, int]:
        return self.state(revision).get(key), self.head

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
        if revision and revision < self.compacted:
            raise Compacted(compact_revision=self.compacted)
        state = self.state(revision)
        kvs = [state[key] for key in sorted(state) if key.startswith(prefix) and key >= (start or b"")]
        cut = kvs[:limit] if limit else kvs
        return RangeResult(cut, revision or self.head, len(cut) < len(kvs), len(kvs))

    async def put(self, key: bytes, value: bytes, *, expected_revision: int | None = None, lease: int = 0) -> int:
        current = self._check(key, expected_revision)
        created = current.create_revision if current else self.head + 1
        version = current.version + 1 if current else 1
        kv = KV(key, value, self.head + 1, created, version, lease)
        return await self._commit(StoreEvent(False, kv, current))

    async def delete(self, key: bytes, *, expected_revision: int | None = None) -> int:
        current = self._check(key, expected_revision)
        if current is None:
            return self.head
        return await self._commit(StoreEvent(True, KV(key, b"", self.head + 1, 0, 0, 0), current))

    async def revision(self) -> int:
        return self.head

    async def watch(
        self, prefix: bytes, start_revision: int, *, prev_kv: bool = True, progress: bool = True
    ) -> AsyncIterator[EventBatch]:
        seen = start_revision - 1
        while True:
            async with self._news:
                while self.head <= seen:
                    await self._news.wait()
            await self._open.wait()
            if seen + 1 < self.compacted:
                raise Compacted(compact_revision=self.compacted)
            fresh = [event for event in self.events if event.kv.mod_revision > seen]
            seen = self.head
            yield EventBatch(fresh, seen)

    async def compact(self, revision: int) -> None:
        self.compacted = revision

    async def grant_lease(self, ttl: int, lease_id: int = 0) -> int:
        self.leases.append(ttl)
        return len(self.leases)

    def _check(self, key: bytes, expected: int | None) -> KV | None:
        current = self.state().get(key)
        found = current.mod_revision if current else 0
        if expected is not None and expected != found:
            raise RevisionConflict(current)
        return current

    async def _commit(self, event: StoreEvent) -> int:
        self.head += 1
        self.writes += 1
        self.events.append(event)
        async with self._news:
            self._news.notify_all()
        return self.head


@dataclass
class Api:
    """The pipeline as a client sees it, with objects in place of bytes."""

    pipeline: Pipeline
    storage: MemoryStorage
    user: User = ADMIN

    def request(self, resource: Resource, namespace: str = "", name: str = "", subresource: str = "") -> Request:
        return Request(self.user, Target(resource, namespace, name, subresource))

    async def create(
        self, resource: Resource, obj: Obj, namespace: str = "default", subresource: str = "", name: str = "", **options
    ) -> Obj:
        request = self.request(resource, namespace if resource.namespaced else "", name, subresource)
        written = await self.pipeline.operations.create(request, encoding.dumps(obj), WriteOptions(**options))
        return encoding.loads(written.data)

    async def get(self, resource: Resource, name: str, namespace: str = "default", subresource: str = "") -> Obj:
        request = self.request(resource, namespace if resource.namespaced else "", name, subresource)
        return encoding.loads(await self.pipeline.operations.get(request))

    async def update(self, resource: Resource, obj: Obj, subresource: str = "", **options) -> Obj:
        metadata = obj["metadata"]
        request = self.request(resource, metadata.get("namespace", ""), metadata["name"], subresource)
        written = await self.pipeline.operations.update(request, encoding.dumps(obj), WriteOptions(**options))
        return encoding.loads(written.data)

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: object,
        kind: str = "merge-patch+json",
        subresource: str = "",
        **options,
    ) -> Obj:
        request = self.request(resource, "default" if resource.namespaced else "", name, subresource)
        written = await self.pipeline.operations.patch(
            request, f"application/{kind}", encoding.dumps(patch), WriteOptions(**options)
        )
        return encoding.loads(written.data)

    async def delete(self, resource: Resource, name: str, namespace: str = "default", **options) -> Obj:
        request = self.request(resource, namespace if resource.namespaced else "", name)
        return encoding.loads(await self.pipeline.operations.delete(request, DeleteOptions(**options)))

    async def list(self, resource: Resource, namespace: str = "", **options):
        return await self.pipeline.operations.list(self.request(resource, namespace), ListOptions(**options))

    async def names(self, resource: Resource, namespace: str = "", **options) -> list[str]:
        page = await self.list(resource, namespace, **options)
        return [entry.key.rpartition("/")[2] for entry in page.entries]

    async def watch(self, resource: Resource, namespace: str = "", **options):
        return await self.pipeline.operations.watch(self.request(resource, namespace), ListOptions(**options))


def pod(name: str = "a", **spec) -> Obj:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """An API server's pipeline with the namespace default."""
    storage = MemoryStorage()
    config = ApiServerConfig(
        store_addresses=(),
        grpc_listeners=(),
        rest_host="",
        rest_port=0,
        rest_tls=ServerTLS(b"", b"", b""),
        service_accounts=ServiceAccountConfig(lambda: [TOKEN_KEY]),
    )
    pipeline = Pipeline(storage, config, LoopClock(), BUILTIN)
    await pipeline.cache.start()
    made = Api(pipeline, storage)
    await made.create(NAMESPACES, {"metadata": {"name": "default"}})
    yield made
    await pipeline.cache.stop()


@pytest.fixture
def new_pod():
    return pod
