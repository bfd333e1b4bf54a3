"""Follows the APIServices: makes the local ones, finds out whether the remote ones answer and what they serve."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from kube_actors.aio.clock import Clock, rfc3339
from kube_actors.aio.tasks import Tasks
from kube_actors.api import Obj, encoding, errors
from kube_actors.api.resources import Registry
from kube_actors.apiserver.aggregation.client import RemoteClient, Unreachable
from kube_actors.apiserver.aggregation.local import API_SERVICES, is_automatic, is_local, local_services
from kube_actors.apiserver.bootstrap.writing import SYSTEM
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.cache.selection import Selection
from kube_actors.apiserver.cache.watcher import Watcher
from kube_actors.apiserver.lookup import CacheLookup
from kube_actors.apiserver.registry.registry import OWN
from kube_actors.apiserver.registry.registry import Registry as ObjectRegistry
from kube_actors.apiserver.request import DeleteOptions, Request, Target, WriteOptions

log = structlog.get_logger(__name__)

# How often everything is looked at where nothing changes: custom resources come and go without an event here.
LOOK_SECONDS = 0.5
CHECK_SECONDS = 30.0
RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Remote:
    """A version of a group that another server answers for; `resources` are those of its APIResourceList."""

    group: str
    version: str
    service: Obj
    available: bool = False
    resources: tuple[Obj, ...] = ()
    checked: float = 0.0


class Remotes:
    """One for each API server.

    Crash contract: it keeps nothing; every server finds out anew what answers.
    """

    def __init__(
        self,
        cache: Cache,
        lookup: CacheLookup,
        resources: Registry,
        registry: ObjectRegistry,
        client: RemoteClient,
        clock: Clock,
    ) -> None:
        self._cache = cache
        self._lookup = lookup
        self._resources = resources
        self._registry = registry
        self._client = client
        self._clock = clock
        self._tasks = Tasks("apiserver-aggregation")
        self._seen: tuple[object, ...] = ()
        self.known: dict[tuple[str, str], Remote] = {}

    async def start(self) -> None:
        """Returns when the local APIServices are there. Raises ApiError."""
        await self._keep_local()
        self._tasks.spawn_forever(self._run(), "services")

    async def stop(self) -> None:
        await self._tasks.stop()
        await self._client.stop()

    async def _run(self) -> None:
        while True:
            bucket = self._cache.bucket(API_SERVICES)
            watcher = Watcher(Selection(bucket.read_fields), self._cache.revision)
            bucket.attach(watcher)
            try:
                while not watcher.cut:
                    await self._look()
                    await _changed(watcher)
            finally:
                bucket.detach(watcher)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        try:
            await self._keep_local()
            await self._check_remotes()
        except errors.KubeActorsError as error:
            log.warning("cannot bring APIServices up to date", reason=str(error))

    async def _keep_local(self) -> None:
        """Make the APIServices of what is served here, and remove those of custom resources that are gone."""
        present = {one["metadata"]["name"]: one for one in self._lookup.all(API_SERVICES)}
        seen = (tuple(self._resources), tuple(present))
        if seen == self._seen:
            return
        wanted = local_services(self._resources, self._clock.now())
        missing = [service for name, service in wanted.items() if name not in present]
        gone = [name for name, service in present.items() if is_automatic(service) and name not in wanted]
        await asyncio.gather(*map(self._create, missing), *map(self._delete, gone))
        self._seen = seen

    async def _create(self, service: Obj) -> None:
        try:
            await self._registry.create(Request(SYSTEM, Target(API_SERVICES)), service, WriteOptions())
        except errors.AlreadyExists:
            return

    async def _delete(self, name: str) -> None:
        try:
            await self._registry.delete(Request(SYSTEM, Target(API_SERVICES, "", name)), DeleteOptions())
        except errors.NotFound:
            return

    async def _check_remotes(self) -> None:
        services = [one for one in self._lookup.all(API_SERVICES) if not is_local(one)]
        wanted = {(one["spec"].get("group", ""), one["spec"]["version"]): one for one in services}
        for key in self.known.keys() - wanted.keys():
            del self.known[key]
        for key, service in wanted.items():
            remote = self.known.get(key)
            if remote is None or remote.service["spec"] != service["spec"]:
                remote = self.known[key] = Remote(*key, service)
            patience = CHECK_SECONDS if remote.available else RETRY_SECONDS
            if self._clock.now() - remote.checked >= patience:
                self.known[key] = await self._check(remote)

    async def _check(self, remote: Remote) -> Remote:
        """Ask it what it serves, and write what came of it into the APIService's status."""
        now = self._clock.now()
        path = f"/apis/{remote.group}/{remote.version}"
        try:
            status, data = await self._client.get(remote.service["spec"], path)
            if status != 200:
                url = f"https://{self._client.shown(remote.service['spec'])}{path}"
                raise Unreachable(
                    "FailedDiscoveryCheck", f"failing or missing response from {url}: bad status from {url}: {status}"
                )
            found = tuple(encoding.loads(data).get("resources") or ())
            condition = ("True", "Passed", "all checks passed")
            made = Remote(remote.group, remote.version, remote.service, True, found, now)
        except Unreachable as error:
            condition = ("False", error.reason, str(error))
            made = Remote(remote.group, remote.version, remote.service, False, remote.resources, now)
        except (ValueError, AttributeError):
            condition = ("False", "FailedDiscoveryCheck", f"failing or missing response from {path}: no JSON")
            made = Remote(remote.group, remote.version, remote.service, False, remote.resources, now)
        await self._report(remote.service, *condition)
        return made

    async def _report(self, service: Obj, status: str, reason: str, message: str) -> None:
        name, now = service["metadata"]["name"], rfc3339(self._clock.now())

        def change(current: Obj | None) -> Obj:
            if current is None:
                raise errors.not_found(API_SERVICES.plural, API_SERVICES.group, name)
            conditions = (current.get("status") or {}).get("conditions") or []
            old: Obj = next((one for one in conditions if one.get("type") == "Available"), {})
            since = old["lastTransitionTime"] if old.get("status") == status else now
            new = {"type": "Available", "status": status, "lastTransitionTime": since}
            others = [one for one in conditions if one.get("type") != "Available"]
            current["status"] = {"conditions": [new | {"reason": reason, "message": message}, *others]}
            return current

        try:
            target = Target(API_SERVICES, "", name, "status")
            await self._registry.update(Request(SYSTEM, target), change, WriteOptions(), mode=OWN)
        except errors.NotFound:
            return


async def _changed(watcher: Watcher) -> None:
    """Until an APIService has changed, or for a while."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await watcher.wait()
    except TimeoutError:
        return
    watcher.take()
