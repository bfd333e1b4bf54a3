"""The namespace controller: keys are namespaces that are being deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError, NotFound
from kube_actors.api.meta import get_path, is_deleting, namespace_of
from kube_actors.api.resources import NAMESPACES, PODS, Resource
from kube_actors.controllers.actions import Action, UpdateObject, UpdateStatus
from kube_actors.controllers.base import Context, Controller, NotYet, On
from kube_actors.controllers.namespace.conditions import plan_conditions
from kube_actors.controllers.namespace.content import Content, deletable, delete_all

FINALIZER = "kubernetes"
# A deletion that waits is looked at again at least this often; pods that go are heard of at once.
LONGEST_WAIT = 5.0


class Discovery(Protocol):
    async def discover(self) -> Sequence[Resource]:
        """What the server serves."""


class NamespaceController(Controller):
    """Empties a terminating namespace and then lets it go. Pods go first: what they need while they end stays."""

    name = "namespace"
    workers = 10

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.discovery = cast(Discovery, context.client)
        self.namespaces = self.informer(NAMESPACES)
        self.pods = self.informer(PODS)
        self.namespaces.add_handler(On(self._changed, lambda old, new: self._changed(new), lambda obj: None))
        self.pods.add_handler(On(lambda pod: None, lambda old, new: None, self._pod_gone))

    def _changed(self, namespace: Obj) -> None:
        if is_deleting(namespace):
            self.enqueue(namespace)

    def _pod_gone(self, pod: Obj) -> None:
        namespace = self.namespaces.get(namespace_of(pod))
        if namespace is not None:
            self._changed(namespace)

    async def sync(self, key: str) -> None:
        if self.namespaces.get(key) is None:
            return
        try:
            # Live: deletion is final, and a namespace of the same name may have been created since.
            namespace = await self.client.get(NAMESPACES, key)
        except NotFound:
            return
        if not is_deleting(namespace) or not get_path(namespace, "spec", "finalizers", default=[]):
            return
        content, discovery_error = await self._empty(key)
        namespace = await self._report(key, namespace, content, discovery_error)
        if discovery_error:
            raise NotYet(f"namespace {key}: {discovery_error}")
        if content.empty:
            await self._finalize(key, namespace)
        elif content.errors and not content.estimate:
            raise NotYet(f"namespace {key}: {content.errors[0]}")
        else:
            self.queue.add_after(key, min(content.estimate / 2 + 1, LONGEST_WAIT))

    async def _empty(self, key: str) -> tuple[Content, str]:
        try:
            resources = deletable(await self.discovery.discover())
        except KubeActorsError as error:
            return Content(), str(error)
        pods = [resource for resource in resources if (resource.group, resource.plural) == ("", "pods")]
        content = await delete_all(self.client, key, pods)
        if not content.empty:
            return content, ""
        rest = [resource for resource in resources if resource not in pods]
        return await delete_all(self.client, key, rest), ""

    async def _report(self, key: str, namespace: Obj, content: Content, discovery_error: str) -> Obj:
        """Write phase and conditions where they changed; the namespace as it is then."""
        before = namespace.get("status") or {}
        wanted = plan_conditions(namespace, content, discovery_error, self.clock.now())
        status = before | {"phase": "Terminating", "conditions": wanted}
        if status == before:
            return namespace
        report = await self.perform(key, [UpdateStatus(NAMESPACES, namespace | {"status": status})])
        report.raise_error()
        return report.results[0]

    async def _finalize(self, key: str, namespace: Obj) -> None:
        left = [name for name in namespace["spec"]["finalizers"] if name != FINALIZER]
        obj = namespace | {"spec": namespace["spec"] | {"finalizers": left}}
        action: Action = UpdateObject(NAMESPACES, obj, subresource="finalize")
        report = await self.perform(key, [action])
        if not isinstance(report.error, NotFound):
            report.raise_error()
