"""The garbage collector: looks at the objects that the graph points to, live, and performs what is planned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import cast

import structlog

from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError, NotFound
from kube_actors.api.meta import is_deleting, namespace_of, uid_of
from kube_actors.api.resources import Resource
from kube_actors.controllers.actions import WARNING, Action, AllAtOnce, PatchObject, RecordEvent
from kube_actors.controllers.base import Context, Controller, NotYet
from kube_actors.controllers.garbage_collector.graph import (
    FOREGROUND,
    ORPHAN,
    Graph,
    Identity,
    Node,
    Task,
    Work,
    referred,
)
from kube_actors.controllers.garbage_collector.monitors import Monitors
from kube_actors.controllers.garbage_collector.plan import (
    Owner,
    plan_collect,
    plan_orphan,
    plan_unblocked,
    without_finalizer,
)
from kube_actors.controllers.namespace.controller import Discovery

log = structlog.get_logger(__name__)

# Kubernetes looks every 30 s; the question is cheap here, and until then nobody collects what new custom resources own.
DISCOVERY_PERIOD = 5.0
SYNC_WAIT = 30.0


class GarbageCollectorController(Controller):
    """Keys are `task/uid`: delete/… looks whether an object has to go, orphan/… frees its dependents."""

    name = "garbage-collector"
    workers = 20

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.graph = Graph()
        self.discovery = cast(Discovery, context.client)
        self.monitors = Monitors(context, lambda resource: _Monitor(self, resource))

    async def stop(self) -> None:
        await super().stop()
        await self.monitors.stop()

    async def ready(self) -> None:
        """The graph has all objects, or waited long enough for those that cannot be listed."""
        while not await self._discover():
            await self.clock.sleep(1.0)

    async def run(self) -> None:
        """Follow custom resources as they come and go."""
        await self.clock.sleep(DISCOVERY_PERIOD)
        await self.every(DISCOVERY_PERIOD, self._follow)

    async def _follow(self) -> None:
        await self._discover()

    async def _discover(self) -> bool:
        try:
            unsynced = await self.monitors.adopt(await self.discovery.discover(), SYNC_WAIT)
        except KubeActorsError as error:
            self.counters.errors += 1
            log.warning("cannot discover resources", controller=self.name, error=str(error))
            return False
        if unsynced:
            log.warning("resources without a list", controller=self.name, resources=unsynced)
        return True

    def take(self, work: Work) -> None:
        for task, uid in work:
            self.queue.add(f"{task.value}/{uid}")

    async def sync(self, key: str) -> None:
        task, _, uid = key.partition("/")
        node = self.graph.get(uid)
        if node is None:
            return
        if task == Task.ORPHAN.value:
            await self._orphan(key, node)
        else:
            await self._attempt_delete(key, node)

    async def _attempt_delete(self, key: str, node: Node) -> None:
        if node.deleting and not node.deleting_dependents:
            # It goes already; its own dependents are looked at when it is gone.
            return
        resource = self._resource(node.identity)
        latest = await self._live(resource, node.identity)
        if latest is None:
            self.take(self.graph.not_found(node.identity.uid, _placed(node.identity, resource)))
            return
        if node.virtual:
            # It exists: its event is on the way and makes the node real.
            self.take(self.graph.observe(latest))
        if is_deleting(latest) and FOREGROUND in (latest["metadata"].get("finalizers") or ()):
            await self._continue_foreground(key, node, resource, latest)
            return
        references: list[Obj] = latest["metadata"].get("ownerReferences") or []
        owners = {str(each.get("uid")): await self._look(each, resource, latest) for each in references}
        dependents = list(node.dependents.values())
        actions = plan_collect(
            resource,
            latest,
            owners,
            has_dependents=bool(dependents),
            dependent_waits=any(dependent.deleting_dependents for dependent in dependents),
        )
        report = await self.perform(key, actions)
        if not isinstance(report.error, NotFound):
            report.raise_error()

    async def _continue_foreground(self, key: str, node: Node, resource: Resource, latest: Obj) -> None:
        blocking = node.blocking_dependents()
        if blocking:
            self.take([(Task.DELETE, each.identity.uid) for each in blocking if not each.deleting_dependents])
            return
        report = await self.perform(key, plan_unblocked(resource, latest))
        if not isinstance(report.error, NotFound):
            report.raise_error()

    async def _orphan(self, key: str, node: Node) -> None:
        """Free the dependents, then let the owner go."""
        patches: list[PatchObject] = []
        for dependent in list(node.dependents.values()):
            resource = self._resource(dependent.identity)
            latest = await self._live(resource, dependent.identity)
            if latest is not None:
                planned = plan_orphan(resource, latest, node.identity.uid)
                patches += [action for action in planned if isinstance(action, PatchObject)]
        report = await self.perform(key, [AllAtOnce(tuple(patches))])
        for outcome in report.outcomes:
            if outcome.error is not None and not isinstance(outcome.error, NotFound):
                raise outcome.error
        resource = self._resource(node.identity)
        owner = await self._live(resource, node.identity)
        if owner is not None:
            freed = await self.perform(key, without_finalizer(resource, owner, ORPHAN))
            if not isinstance(freed.error, NotFound):
                freed.raise_error()

    async def _look(self, reference: Obj, dependent: Resource, obj: Obj) -> Owner:
        """What the owner that `reference` names is, by a live read."""
        named = referred(reference, namespace_of(obj))
        resource = self._resource(named)
        identity = _placed(named, resource)
        known = self.graph.get(identity.uid)
        if resource.namespaced and not dependent.namespaced:
            # A cluster-scoped object cannot be owned from within a namespace; guessing would delete it.
            text = f"ownerRef {_describe(identity)} is namespaced, but the object is cluster-scoped"
            await self._complain(obj, text)
            return Owner.SOLID
        if self.graph.is_absent(identity):
            return Owner.DANGLING
        owner = await self._live(resource, identity)
        if owner is None:
            if known is not None and not known.virtual and known.identity.namespace not in ("", namespace_of(obj)):
                text = f'ownerRef {_describe(identity)} does not exist in namespace "{namespace_of(obj)}"'
                await self._complain(obj, text)
            else:
                self.graph.note_absent(identity)
            return Owner.DANGLING
        waits = is_deleting(owner) and FOREGROUND in (owner["metadata"].get("finalizers") or ())
        return Owner.WAITING if waits else Owner.SOLID

    async def _complain(self, obj: Obj, text: str) -> None:
        event: Iterable[Action] = [RecordEvent(obj, WARNING, "OwnerRefInvalidNamespace", text)]
        await self.executor.run(event)

    async def _live(self, resource: Resource, identity: Identity) -> Obj | None:
        """The object itself; None where it is gone or another has its name."""
        if resource.namespaced and not identity.namespace:
            return None
        try:
            found = await self.client.get(resource, identity.name, _placed(identity, resource).namespace)
        except NotFound:
            return None
        return found if uid_of(found) == identity.uid else None

    def _resource(self, identity: Identity) -> Resource:
        resource = self.monitors.kinds.of_kind(identity.api_version, identity.kind)
        if resource is None:
            # Perhaps its CustomResourceDefinition comes later: nothing can be concluded.
            raise NotYet(f"{identity.api_version} {identity.kind} {identity.name} is of no kind that is served")
        return resource


def _placed(identity: Identity, resource: Resource) -> Identity:
    """The identity with the namespace that such an object has: none for a cluster-scoped kind."""
    return identity if resource.namespaced else replace(identity, namespace="")


def _describe(identity: Identity) -> str:
    kind = f"{identity.api_version}/{identity.kind}"
    return f"[{kind}, namespace: {identity.namespace}, name: {identity.name}, uid: {identity.uid}]"


@dataclass(frozen=True, slots=True)
class _Monitor:
    """Feeds the graph from one resource. Objects of a list carry no kind of their own in some clients."""

    collector: GarbageCollectorController
    resource: Resource

    def on_add(self, obj: Obj, is_initial: bool) -> None:
        self.collector.take(self.collector.graph.observe(self._named(obj)))

    def on_update(self, old: Obj, new: Obj) -> None:
        if uid_of(old) != uid_of(new):
            self.on_delete(old)
        elif _same_ownership(old, new):
            # Most updates: a status, a heartbeat.
            return
        self.collector.take(self.collector.graph.observe(self._named(new)))

    def on_delete(self, obj: Obj) -> None:
        self.collector.take(self.collector.graph.gone(uid_of(obj)))

    def _named(self, obj: Obj) -> Obj:
        if obj.get("kind") and obj.get("apiVersion"):
            return obj
        return obj | {"apiVersion": self.resource.api_version, "kind": self.resource.kind}


def _same_ownership(old: Obj, new: Obj) -> bool:
    fields = ("ownerReferences", "finalizers", "deletionTimestamp")
    return all(old["metadata"].get(field) == new["metadata"].get(field) for field in fields)
