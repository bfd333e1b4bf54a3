"""The EndpointSlice mirroring controller: keys are Endpoints."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import is_deleting, labels_of
from kube_actors.api.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from kube_actors.controllers.actions import AllAtOnce, CreateObject
from kube_actors.controllers.base import Context, Controller, On, is_namespace_terminating
from kube_actors.controllers.endpoints.mirror import MANAGER, is_mirrored, plan, remove
from kube_actors.controllers.endpoints.slice_controller import SERVICE_INDEX, by_service
from kube_actors.controllers.endpoints.slices import MANAGED_BY
from kube_actors.controllers.expectations import TTL, Expectations


class EndpointSliceMirroringController(Controller):
    """Writes slices for Endpoints that no controller makes."""

    name = "endpointslice-mirroring"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.endpoints = self.informer(ENDPOINTS)
        self.services = self.informer(SERVICES)
        self.slices = self.informer(ENDPOINT_SLICES, {SERVICE_INDEX: by_service})
        self.expectations = Expectations(context.clock)
        self.enqueue_from(self.endpoints)
        self.services.add_handler(On(self.enqueue, self._service_updated, self.enqueue))
        self.slices.add_handler(On(self._slice_added, lambda old, new: self._slice(new), self._slice))

    def _service_updated(self, old: Obj, new: Obj) -> None:
        if bool(old["spec"].get("selector")) != bool(new["spec"].get("selector")):
            self.enqueue(new)

    def _slice_added(self, each: Obj) -> None:
        if labels_of(each).get(MANAGED_BY) == MANAGER:
            for key in by_service(each):
                self.expectations.creation_observed(key)
        self._slice(each)

    def _slice(self, each: Obj) -> None:
        if labels_of(each).get(MANAGED_BY) == MANAGER:
            for key in by_service(each):
                self.queue.add(key)

    async def sync(self, key: str) -> None:
        if not self.expectations.satisfied(key):
            self.queue.add_after(key, TTL + 1)
            return
        mine = [each for each in self.slices.by_index(SERVICE_INDEX, key) if labels_of(each).get(MANAGED_BY) == MANAGER]
        endpoints = self.endpoints.get(key)
        if endpoints is None or is_deleting(endpoints) or not is_mirrored(endpoints, self.services.get(key)):
            changes = remove(mine)
        else:
            changes = plan(endpoints, mine)
        if not changes:
            return
        creations = sum(isinstance(each, CreateObject) for each in changes)
        if creations:
            self.expectations.expect_creations(key, creations)
        report = await self.perform(key, [AllAtOnce(tuple(changes))])
        failed = sum(1 for each in report.outcomes if each.error is not None and isinstance(each.action, CreateObject))
        self.expectations.creation_observed(key, failed)
        if not is_namespace_terminating(report.error):
            report.raise_error()
