"""The EndpointSlice controller: keys are Services."""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.errors import Conflict
from kube_actors.api.meta import is_deleting, labels_of, make_key, name_of, namespace_of
from kube_actors.api.resources import ENDPOINT_SLICES, NODES, PODS, SERVICES
from kube_actors.controllers.actions import WARNING, AllAtOnce
from kube_actors.controllers.base import Context, Controller, On, is_namespace_terminating
from kube_actors.controllers.endpoints.membership import is_managed, selects
from kube_actors.controllers.endpoints.pod_handler import PodHandler
from kube_actors.controllers.endpoints.slices import MANAGED_BY, MANAGER, SERVICE_NAME, ZONE, SlicePlan, plan
from kube_actors.controllers.expectations import TTL, Expectations
from kube_actors.controllers.indexes import NODE, ON_NODE

SERVICE_INDEX = "service"


def by_service(each: Obj) -> Iterable[str]:
    name = labels_of(each).get(SERVICE_NAME)
    return (make_key(namespace_of(each), name),) if name else ()


class EndpointSliceController(Controller):
    """Its slices are marked with its managed-by label and are the garbage collector's once their Service is gone."""

    name = "endpointslice"
    event_source = "endpoint-slice-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.services = self.informer(SERVICES)
        self.pods = self.informer(PODS, ON_NODE)
        self.nodes = self.informer(NODES)
        self.slices = self.informer(ENDPOINT_SLICES, {SERVICE_INDEX: by_service})
        self.expectations = Expectations(context.clock)
        self.enqueue_from(self.services)
        self.pods.add_handler(PodHandler(self.services, self.queue.add))
        self.slices.add_handler(On(self._slice_added, self._slice_updated, self._slice_changed))
        self.nodes.add_handler(On(self._node_changed, self._node_updated, lambda node: None))

    def _slice_added(self, each: Obj) -> None:
        for key in by_service(each):
            self.expectations.creation_observed(key)
        self._slice_changed(each)

    def _slice_updated(self, old: Obj, new: Obj) -> None:
        self._slice_changed(new)
        if labels_of(old) != labels_of(new):
            self._slice_changed(old)

    def _slice_changed(self, each: Obj) -> None:
        if labels_of(each).get(MANAGED_BY) == MANAGER:
            for key in by_service(each):
                self.queue.add(key)

    def _node_updated(self, old: Obj, new: Obj) -> None:
        if labels_of(old).get(ZONE) != labels_of(new).get(ZONE):
            self._node_changed(new)

    def _node_changed(self, node: Obj) -> None:
        """Pods of a node that was not known, or whose zone changed, may have to be written anew."""
        for pod in self.pods.by_index(NODE, name_of(node)):
            for service in self.services.list(namespace_of(pod)):
                if selects(service, pod):
                    self.enqueue(service)

    async def sync(self, key: str) -> None:
        service = self.services.get(key)
        if service is None:
            self.expectations.forget(key)
            return
        if not is_managed(service) or is_deleting(service):
            return
        if not self.expectations.satisfied(key):
            # The cache lacks slices that were created; each one's event enqueues the key again.
            self.queue.add_after(key, TTL + 1)
            return
        pods = [pod for pod in self.pods.list(namespace_of(service)) if selects(service, pod)]
        mine = [each for each in self.slices.by_index(SERVICE_INDEX, key) if labels_of(each).get(MANAGED_BY) == MANAGER]
        await self._apply(key, service, plan(service, pods, mine, self.nodes.get))

    async def _apply(self, key: str, service: Obj, changes: SlicePlan) -> None:
        if changes.create:
            self.expectations.expect_creations(key, len(changes.create))
        if not changes.empty:
            report = await self.perform(key, [AllAtOnce((*changes.create, *changes.update, *changes.delete))])
            created = report.outcomes[: len(changes.create)]
            failed = sum(1 for outcome in created if outcome.error is not None)
            self.expectations.creation_observed(key, failed)
            if report.error is None or is_namespace_terminating(report.error):
                return
            if not isinstance(report.error, Conflict):
                text = f"Error updating Endpoint Slices for Service {key}: {report.error}"
                self.context.recorder.event(service, WARNING, "FailedToUpdateEndpointSlices", text)
            raise report.error
