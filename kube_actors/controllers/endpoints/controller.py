"""The Endpoints controller: keys are Services."""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.api import Obj
from kube_actors.api.errors import AlreadyExists, Conflict
from kube_actors.api.meta import annotations_of, key_of, labels_of, name_of, namespace_of, uid_of
from kube_actors.api.resources import ENDPOINTS, PODS, SERVICES
from kube_actors.controllers.actions import WARNING, CreateObject, DeleteObject, UpdateObject
from kube_actors.controllers.base import Context, Controller, On, is_namespace_terminating
from kube_actors.controllers.endpoints.membership import is_managed, selects
from kube_actors.controllers.endpoints.plan import MANAGED_BY, MANAGER, plan
from kube_actors.controllers.endpoints.pod_handler import PodHandler
from kube_actors.controllers.executor import Outcome

LEADER = "control-plane.alpha.kubernetes.io/leader"


class EndpointsController(Controller):
    """One Endpoints a Service that has a selector; deleted with its Service."""

    name = "endpoint"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.services = self.informer(SERVICES)
        self.pods = self.informer(PODS)
        self.endpoints = self.informer(ENDPOINTS)
        self.enqueue_from(self.services)
        self.pods.add_handler(PodHandler(self.services, self.queue.add))
        # The first list shows Endpoints whose Service went while no manager ran.
        self.endpoints.add_handler(On(self.enqueue, lambda old, new: None, self.enqueue))

    async def sync(self, key: str) -> None:
        service = self.services.get(key)
        present = self.endpoints.get(key)
        if service is None:
            await self._service_gone(key, present)
            return
        if not is_managed(service):
            return
        pods = [pod for pod in self.pods.list(namespace_of(service)) if selects(service, pod)]
        report = await self.perform(key, plan(service, pods, present))
        if isinstance(report.error, AlreadyExists):
            # Ours, of a moment ago; its event enqueues the key again.
            return
        if report.error is None or is_namespace_terminating(report.error):
            return
        self._tell_refusal(key, report.outcomes)
        raise report.error

    def _tell_refusal(self, key: str, outcomes: Sequence[Outcome]) -> None:
        for each in outcomes:
            # A conflict is no refusal: the cache was behind.
            if each.error is None or isinstance(each.error, Conflict):
                continue
            if isinstance(each.action, CreateObject):
                text = f"Failed to create endpoint for service {key}: {each.error}"
                self.context.recorder.event(each.action.obj, WARNING, "FailedToCreateEndpoint", text)
            elif isinstance(each.action, UpdateObject):
                text = f"Failed to update endpoint {key}: {each.error}"
                self.context.recorder.event(each.action.obj, WARNING, "FailedToUpdateEndpoint", text)

    async def _service_gone(self, key: str, present: Obj | None) -> None:
        if present is None or labels_of(present).get(MANAGED_BY) != MANAGER or LEADER in annotations_of(present):
            return
        action = DeleteObject(ENDPOINTS, namespace_of(present), name_of(present), uid=uid_of(present))
        (await self.perform(key_of(present), [action])).raise_error()
