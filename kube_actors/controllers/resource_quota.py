"""ResourceQuotas: status.hard as the spec has it, status.used as the objects are. Admission refuses; this counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kube_actors.api import Obj
from kube_actors.api.meta import make_key, namespace_of
from kube_actors.api.quantity import compare
from kube_actors.api.quota import Usage, count_name, matches, total, usage
from kube_actors.api.resources import (
    BUILTIN,
    CONFIGMAPS,
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    Resource,
    builtin,
)
from kube_actors.controllers.actions import UpdateStatus
from kube_actors.controllers.base import Context, Controller, On

QUOTAS = builtin("v1", "resourcequotas")
# Kinds whose caches tell at once of a change; others are listed from time to time.
WATCHED = (
    PODS,
    SERVICES,
    CONFIGMAPS,
    SECRETS,
    DEPLOYMENTS,
    REPLICA_SETS,
    builtin("v1", "replicationcontrollers"),
    builtin("v1", "persistentvolumeclaims"),
    builtin("apps/v1", "statefulsets"),
    builtin("apps/v1", "daemonsets"),
    builtin("batch/v1", "jobs"),
    builtin("batch/v1", "cronjobs"),
)
BATCH_SECONDS = 0.1
LOOK_SECONDS = 10.0
# Pods on their way out stop to count at a time of which no event tells.
RESYNC_SECONDS = 300.0
# Admission charges a quota before the object is written: what was charged a moment ago may not be in the caches yet,
# and is not taken back before.
SETTLE_SECONDS = 2.0


def used_by(quota: Obj, objects: Iterable[tuple[Resource, Obj]], now: float) -> Usage:
    """What the objects of the quota's namespace use of it."""
    parts = (usage(resource, obj, now) for resource, obj in objects if matches(quota, resource, obj))
    return total(parts, quota["spec"].get("hard") or {})


def kept(quota: Obj, used: Usage) -> Usage:
    """What was counted, but nothing less than what the status says."""
    stated = (quota.get("status") or {}).get("used") or {}
    return {name: stated[name] if compare(stated.get(name, "0"), each) > 0 else each for name, each in used.items()}


def plan(quota: Obj, used: Usage) -> list[UpdateStatus]:
    """Write the status where it differs from what is."""
    hard = quota["spec"].get("hard") or {}
    status = quota.get("status") or {}
    if (status.get("hard") or {}) == hard and (status.get("used") or {}) == used:
        return []
    return [UpdateStatus(QUOTAS, quota | {"status": {"hard": hard, "used": used}})]


def unwatched(quota: Obj) -> Sequence[Resource]:
    """Kinds that the quota counts by name and that have no cache here."""
    known = {count_name(resource) for resource in (*WATCHED, QUOTAS)}
    wanted = {name for name in quota["spec"].get("hard") or {} if name.startswith("count/")} - known
    return [resource for resource in BUILTIN if resource.namespaced and count_name(resource) in wanted]


class ResourceQuotaController(Controller):
    """Keys are quotas; a change in a namespace is one of all its quotas."""

    name = "resourcequota"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        # The version of each quota that was seen last, and since when.
        self._versions: dict[str, tuple[str | None, float]] = {}
        self.quotas = self.informer(QUOTAS)
        self.caches = {resource: self.informer(resource) for resource in WATCHED}
        self.enqueue_from(self.quotas)
        changed = On(self._changed, lambda old, new: self._changed(new), self._changed)
        for cache in (self.quotas, *self.caches.values()):
            cache.add_handler(changed)

    def _changed(self, obj: Obj) -> None:
        for quota in self.quotas.list(namespace_of(obj)):
            name = quota["metadata"]["name"]
            self.queue.add_after(make_key(namespace_of(quota), name), BATCH_SECONDS)

    async def sync(self, key: str) -> None:
        quota = self.quotas.get(key)
        if quota is None:
            self._versions.pop(key, None)
            return
        namespace = namespace_of(quota)
        caches = {QUOTAS: self.quotas, **self.caches}
        objects = [(resource, obj) for resource, cache in caches.items() for obj in cache.list(namespace)]
        others = unwatched(quota)
        for resource in others:
            found = await self.client.list(resource, namespace)
            objects += [(resource, obj) for obj in found.items]
        counted = used_by(quota, objects, self.clock.now())
        used = counted if self._settled(key, quota) else kept(quota, counted)
        (await self.perform(key, plan(quota, used))).raise_error()
        if used != counted:
            self.queue.add_after(key, SETTLE_SECONDS)
        self.queue.add_after(key, LOOK_SECONDS if others else RESYNC_SECONDS)

    def _settled(self, key: str, quota: Obj) -> bool:
        """Whether nobody has charged the quota for a while."""
        version, now = quota["metadata"].get("resourceVersion"), self.clock.now()
        seen = self._versions.get(key)
        if seen is None or seen[0] != version:
            self._versions[key] = (version, now)
            return False
        return now - seen[1] >= SETTLE_SECONDS
