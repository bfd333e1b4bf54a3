"""The API server as a component: what it is made of, in which order it starts and stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import structlog

from kube_actors.aio.clock import Clock, SystemClock
from kube_actors.aio.tasks import Tasks
from kube_actors.api import errors
from kube_actors.api.resources import BUILTIN, Registry
from kube_actors.api.validation.settings import SETTINGS
from kube_actors.apiserver import bootstrap, fields, versions
from kube_actors.apiserver.admission.chain import Chain
from kube_actors.apiserver.admission.plugins import Sources, plugins
from kube_actors.apiserver.admission.quota_ledger import QuotaLedger
from kube_actors.apiserver.aggregation.client import RemoteClient
from kube_actors.apiserver.aggregation.reads import RemoteReads
from kube_actors.apiserver.aggregation.remotes import Remotes
from kube_actors.apiserver.audit.audit import Audit
from kube_actors.apiserver.authn import Authenticator, StaticTokens
from kube_actors.apiserver.authn.bootstrap_tokens import BootstrapTokens
from kube_actors.apiserver.authn.service_accounts import ServiceAccountTokens
from kube_actors.apiserver.authz import Chain as AuthorizerChain
from kube_actors.apiserver.authz import Masters
from kube_actors.apiserver.authz.graph import NodeGraph
from kube_actors.apiserver.authz.node import NodeAuthorizer
from kube_actors.apiserver.authz.rbac import Rbac
from kube_actors.apiserver.bootstrap.identity import Identity
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.cache.entry import FieldReader
from kube_actors.apiserver.compaction import Compactor
from kube_actors.apiserver.config import ApiServerConfig
from kube_actors.apiserver.custom.conversion import Conversions
from kube_actors.apiserver.custom.definitions import Definitions
from kube_actors.apiserver.encryption.storage import Encryption
from kube_actors.apiserver.fairness import Fairness
from kube_actors.apiserver.grpc_api.auditing import Recorder
from kube_actors.apiserver.grpc_api.callers import Callers
from kube_actors.apiserver.grpc_api.service import KubeService
from kube_actors.apiserver.logs import Logs
from kube_actors.apiserver.lookup import CacheLookup
from kube_actors.apiserver.metrics import access, page
from kube_actors.apiserver.metrics.requests import Requests
from kube_actors.apiserver.metrics.storage import MeasuredStorage
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.registry.allocation import Allocators
from kube_actors.apiserver.registry.leases import LeasePool
from kube_actors.apiserver.registry.registry import Registry as ObjectRegistry
from kube_actors.apiserver.registry.repair import Repairer
from kube_actors.apiserver.request import User
from kube_actors.apiserver.resource_metrics import RESOURCES, ResourceMetrics
from kube_actors.apiserver.rest.server import RestServer
from kube_actors.apiserver.reviews import Reviews
from kube_actors.apiserver.signing import Signing
from kube_actors.apiserver.storage import Storage
from kube_actors.apiserver.streams import Agents, Streams
from kube_actors.apiserver.token_request import TokenRequests
from kube_actors.apiserver.webhooks.client import WebhookClient
from kube_actors.rpc import tls
from kube_actors.rpc.pb import api_pb2
from kube_actors.rpc.server import Server, Service
from kube_actors.store.client import StoreClient

log = structlog.get_logger(__name__)

KUBE = api_pb2.DESCRIPTOR.services_by_name["Kube"]


class Pipeline:
    """The protocol-neutral server: from `Operations` down to the store's client. Edges are put on top of it."""

    def __init__(self, storage: Storage, config: ApiServerConfig, clock: Clock, resources: Registry) -> None:
        names = page.names_of(resources)
        storage = MeasuredStorage(storage, names)
        self.storage: Storage = storage
        self.resources = resources
        self.cache = Cache(storage, field_readers(resources))
        self.requests = Requests()
        self.metrics = page.Page(self.requests, storage, self.cache, names, self._access_lines)
        lookup = CacheLookup(self.cache, storage)
        self.signing = Signing(config.service_accounts, clock) if config.service_accounts is not None else None
        self.service_account_tokens = (
            ServiceAccountTokens(self.signing, lookup, clock) if self.signing is not None else None
        )
        known = (StaticTokens(config.tokens), self.service_account_tokens, BootstrapTokens(lookup, clock))
        self.authenticator = Authenticator([one for one in known if one is not None])
        self.audit = Audit(config.audit, clock) if config.audit is not None else None
        self.fairness = Fairness(config.fairness)
        rbac = Rbac(self.cache)
        self.authorizer = AuthorizerChain([Masters(), NodeAuthorizer(NodeGraph(self.cache)), rbac])
        self.allocators = Allocators(storage, clock, config.service_cidr, config.node_port_range)
        ledger = QuotaLedger(self.cache, storage)
        self.webhooks = WebhookClient(lookup)
        conversions = Conversions(self.webhooks)
        sources = Sources(lookup, self.authorizer, rbac, ledger, clock, self.webhooks, resources, conversions)
        admission = Chain(plugins(sources, config.enable_admission_plugins))
        registry = ObjectRegistry(
            storage,
            self.cache,
            admission,
            self.allocators,
            LeasePool(storage, clock),
            conversions,
            clock,
            loopback_endpoints=config.loopback_endpoints,
        )
        self.definitions = Definitions(self.cache, lookup, resources, registry, clock)
        self.remote_client = RemoteClient(lookup, config.proxy_tls)
        self.remotes = Remotes(self.cache, lookup, resources, registry, self.remote_client, clock)
        reviews = Reviews(self.authenticator, self.authorizer, clock)
        tokens = TokenRequests(self.signing, lookup, admission, clock)
        self.agents = Agents(self.cache, config.node_tls)
        usage = ResourceMetrics(self.cache, self.agents, clock) if config.resource_metrics else None
        self.operations = Operations(
            self.cache, storage, registry, self.authorizer, reviews, conversions, tokens, clock, usage
        )
        self.logs = Logs(self.operations, self.cache, self.agents)
        self.streams = Streams(self.operations, self.cache, self.agents)

    def _access_lines(self) -> Iterator[str]:
        return access.lines(self.fairness, self.audit)

    def identify(self, identity: tls.Identity | None, headers: Sequence[tuple[str, str]]) -> User:
        """Who asks. `headers` have lower-case names. Raises Unauthorized."""
        authorization = next((value for name, value in headers if name == "authorization"), "")
        return self.authenticator.authenticate(identity, authorization)


class ApiServer:
    """One API server.

    Crash contract: it keeps nothing. Every acknowledged write is in the store; watches break and their clients
    resume them at any other server, or list again.
    """

    def __init__(self, config: ApiServerConfig, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._tasks = Tasks("apiserver")
        self._storage = StoreClient(config.store_addresses, config.store_tls, follow_members=config.store_members_move)
        self._encryption = Encryption(self._storage, config.encryption) if config.encryption is not None else None
        storage = self._encryption.storage if self._encryption is not None else self._storage
        resources = Registry((*BUILTIN, *(RESOURCES if config.resource_metrics else ())))
        self._pipeline = Pipeline(storage, config, self._clock, resources)
        self._rest = RestServer(self._pipeline, config, self._clock)
        self._grpc: Server | None = None

    @property
    def rest_port(self) -> int:
        """Where HTTPS is served; known after `start`."""
        return self._rest.port

    @property
    def grpc_addresses(self) -> tuple[str, ...]:
        """Where gRPC is served, in the order of the listeners; known after `start`."""
        return self._grpc.addresses if self._grpc is not None else ()

    async def start(self) -> None:
        """Returns when it serves. Raises ConfigError for an address that cannot be had, StoreError without a store."""
        config, pipeline = self._config, self._pipeline
        SETTINGS.allow_privileged = config.allow_privileged
        await self._storage.start()
        try:
            if pipeline.audit is not None:
                await pipeline.audit.start()
            await pipeline.cache.start()
            await pipeline.definitions.start()
            await self._rest.start()
            await self._bootstrap()
            recorder = Recorder(pipeline.audit) if pipeline.audit is not None else None
            service = KubeService(
                pipeline.operations,
                pipeline.logs,
                pipeline.streams,
                Callers(pipeline.identify, pipeline.authorizer, recorder),
                pipeline.resources,
                pipeline.fairness,
                recorder,
                self._clock,
                config.cluster_name,
                RemoteReads(pipeline.remotes, pipeline.remote_client, pipeline.authorizer),
            )
            self._grpc = Server(config.grpc_listeners, [Service(KUBE, service)], reflect=True)
            await self._grpc.start()
        except BaseException:
            await self.stop()
            raise
        compactor = Compactor(self._storage, self._clock, config.compaction_seconds)
        self._tasks.spawn_forever(compactor.run(), "compact")
        repairer = Repairer(pipeline.storage, pipeline.allocators, self._clock)
        self._tasks.spawn_forever(repairer.run(), "repair")
        identity = Identity(pipeline.operations, self._clock, f"{config.advertise_address}:{self.rest_port}")
        self._tasks.spawn_forever(identity.run(), "identity")
        if self._encryption is not None:
            self._tasks.spawn(self._encryption.rewrite(), "encrypt")
        if pipeline.signing is not None and pipeline.service_account_tokens is not None:
            self._tasks.spawn_forever(pipeline.signing.follow(pipeline.service_account_tokens.forget), "token-keys")
        self._rest.started = self._rest.ready = True
        log.info("api server serves", rest=self.rest_port, grpc=self.grpc_addresses)

    async def stop(self) -> None:
        """Refuse new calls, end watches, close what is open. May be called twice."""
        self._rest.ready = False
        await self._tasks.stop()
        await self._pipeline.definitions.stop()
        await self._pipeline.remotes.stop()
        # Watches end with the cache, so that the servers below need not wait for them.
        await self._pipeline.cache.stop()
        if self._grpc is not None:
            await self._grpc.stop(grace=0.5)
        await self._rest.stop()
        await self._pipeline.agents.stop()
        await self._pipeline.webhooks.stop()
        if self._pipeline.audit is not None:
            await self._pipeline.audit.stop()
        await self._storage.stop()

    async def _bootstrap(self) -> None:
        config, pipeline = self._config, self._pipeline
        try:
            first_ip, now = pipeline.allocators.first_ip, self._clock.now()
            await bootstrap.run(pipeline.operations, config, first_ip, self._rest.port, now)
            await pipeline.remotes.start()
        except errors.ApiError as error:
            raise errors.ConfigError(f"the cluster's first objects cannot be written: {error}") from error


def field_readers(resources: Registry) -> Callable[[str], FieldReader]:
    """From a store prefix to the reader of its objects' selectable fields."""
    kinds = {versions.stored(resource).store_prefix: versions.stored(resource).kind for resource in resources}

    def reader(prefix: str) -> FieldReader:
        return fields.reader(kinds.get(prefix, ""))

    return reader
