"""The store as a component: the engine, its housekeeping, and the services on their listeners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.aio.tasks import Tasks
from kube_actors.rpc.pb import etcd_pb2, store_pb2
from kube_actors.rpc.server import Listener, Server, Service
from kube_actors.store.compaction import Compactor
from kube_actors.store.engine import QUOTA, Engine
from kube_actors.store.services.auth import AuthService
from kube_actors.store.services.batch import BatchService
from kube_actors.store.services.kv import KVService
from kube_actors.store.services.lease import LeaseService
from kube_actors.store.services.maintenance import MaintenanceService
from kube_actors.store.services.members import ClusterService
from kube_actors.store.services.watch import WatchService
from kube_actors.store.watch_hub import WatchHub

log = structlog.get_logger(__name__)

# etcd's limit of one request.
MAX_REQUEST = 3 << 19


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """`data_dir` None: in memory, gone with the process.

    History is kept for `retention_seconds` (kube-apiserver asks etcd to compact every five minutes) and
    for `retention_revisions` at most; 0 turns either off. `quota_bytes` bounds what the file holds: beyond
    it the no-space alarm is raised and only deletions and compactions are let through.
    `users`: the names of the client certificates that may use the store; None: every one of the listeners' CA.
    """

    listeners: tuple[Listener, ...]
    data_dir: Path | None = None
    quota_bytes: int = QUOTA
    retention_seconds: float = 300.0
    retention_revisions: int = 0
    progress_seconds: float = 5.0
    max_request_bytes: int = MAX_REQUEST
    name: str = "default"
    users: frozenset[str] | None = None


class StoreServer:
    """One store. Crash contract: every acknowledged write and lease is on disk; leases start anew, watches resume."""

    def __init__(self, config: StoreConfig, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._server: Server | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it listens; known after `start`."""
        return self._server.addresses if self._server is not None else ()

    @property
    def engine(self) -> Engine:
        return self._engine

    async def start(self) -> None:
        """Open the file and listen. Raises ConfigError."""
        config = self._config
        self._engine = Engine(config.data_dir, quota=config.quota_bytes)
        self._hub = WatchHub(self._engine)
        self._tasks = Tasks("store")
        await self._engine.start(self._hub.publish)
        self._hub.reset()
        try:
            self._server = Server(config.listeners, self._services())
            await self._server.start()
        except BaseException:
            self._server = None
            await self._tasks.stop()
            await self._engine.stop()
            raise
        self._compactor.start()
        self._tasks.spawn_forever(self._leases.expire(), "lease-expiry")
        log.info("store ready", addresses=self.addresses, data=str(config.data_dir or "memory"),
                 revision=self._engine.durable, keys=len(self._engine.index.heads))  # fmt: skip

    async def stop(self) -> None:
        """Refuse new calls, end the streams, write what was accepted, close the file. May be called twice."""
        if self._server is None:
            return
        server, self._server = self._server, None
        self._watch.close()
        self._batch.close()
        await server.stop()
        await self._tasks.stop()
        await self._engine.stop()

    def _services(self) -> Sequence[Service]:
        config, engine = self._config, self._engine
        self._compactor = Compactor(
            engine,
            self._clock,
            self._tasks,
            retention=config.retention_seconds,
            revisions=config.retention_revisions,
        )
        self._leases = LeaseService(engine)
        self._batch = BatchService(engine, self._tasks, config.max_request_bytes)
        self._watch = WatchService(
            engine,
            self._hub,
            self._tasks,
            progress_interval=config.progress_seconds,
            fragment_bytes=config.max_request_bytes,
        )
        etcd = etcd_pb2.DESCRIPTOR.services_by_name
        implementations = (
            (etcd["KV"], KVService(engine, self._compactor, config.max_request_bytes)),
            (etcd["Watch"], self._watch),
            (etcd["Lease"], self._leases),
            (etcd["Maintenance"], MaintenanceService(engine)),
            (etcd["Auth"], AuthService(engine)),
            (etcd["Cluster"], ClusterService(engine, config.name, self._urls)),
            (store_pb2.DESCRIPTOR.services_by_name["Store"], self._batch),
        )
        return tuple(Service(descriptor, served, config.users) for descriptor, served in implementations)

    def _urls(self) -> list[str]:
        urls = []
        for listener, address in zip(self._config.listeners, self.addresses, strict=True):
            scheme = "http" if listener.tls is None else "https"
            urls.append(address if address.startswith("unix:") else f"{scheme}://{address}")
        return urls
