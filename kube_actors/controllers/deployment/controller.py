"""The Deployment controller: claims ReplicaSets, performs the plan, resolves name collisions."""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.api import Obj
from kube_actors.api.errors import AlreadyExists, KubeActorsError, NotFound
from kube_actors.api.meta import controller_of, key_of, labels_of, make_key, name_of, namespace_of, uid_of
from kube_actors.api.resources import DEPLOYMENTS, PODS, REPLICA_SETS
from kube_actors.api.selectors import LabelSelector
from kube_actors.controllers.actions import WARNING, CreateObject, RecordEvent, UpdateStatus
from kube_actors.controllers.base import Context, Controller, On, is_namespace_terminating
from kube_actors.controllers.claiming import claim_all
from kube_actors.controllers.dependents import DependentHandler
from kube_actors.controllers.deployment.plan import View, plan, plan_collision, plan_create_failed
from kube_actors.controllers.executor import Report
from kube_actors.controllers.indexes import CONTROLLER, OWNED, orphans_of
from kube_actors.controllers.templates import same_template


def _selects(deployment: Obj, obj: Obj) -> bool:
    selector = LabelSelector.from_object(deployment["spec"].get("selector"))
    return not selector.is_everything and selector.matches(labels_of(obj))


class DeploymentController(Controller):
    """Moves ReplicaSets from one template to the next; see `plan.plan`.

    It keeps no expectations: a ReplicaSet's name follows from its template, so that a second creation is
    refused, and every patch carries the resourceVersion that it was planned on.
    """

    name = "deployment"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.deployments = self.informer(DEPLOYMENTS)
        self.replica_sets = self.informer(REPLICA_SETS, OWNED)
        self.pods = self.informer(PODS, OWNED)
        self.enqueue_from(self.deployments)
        self._handler = DependentHandler(DEPLOYMENTS, self.deployments, _selects, self.queue.add)
        self.replica_sets.add_handler(self._handler)
        # Only the last old pod's end concerns a Deployment (Recreate); the rest comes through ReplicaSets.
        self.pods.add_handler(On(lambda pod: None, self._pod_updated, self._pod_gone))

    def _pod_updated(self, old: Obj, new: Obj) -> None:
        if (old.get("status") or {}).get("phase") != (new.get("status") or {}).get("phase"):
            self._pod_gone(new)

    def _pod_gone(self, pod: Obj) -> None:
        ref = controller_of(pod)
        if ref is None or ref.get("kind") != "ReplicaSet":
            return
        replica_set = self.replica_sets.get(make_key(namespace_of(pod), str(ref["name"])))
        owner = self._handler.owner_of(replica_set) if replica_set is not None else None
        if owner is not None and (owner["spec"].get("strategy") or {}).get("type") == "Recreate":
            self.queue.add(key_of(owner))

    async def sync(self, key: str) -> None:
        deployment = self.deployments.get(key)
        if deployment is None:
            return
        selector = LabelSelector.from_object(deployment["spec"].get("selector"))
        if selector.is_everything:
            await self._refuse_to_select_all(key, deployment)
            return
        mine = self.replica_sets.by_index(CONTROLLER, uid_of(deployment))
        orphans = self.replica_sets.by_index(CONTROLLER, orphans_of(namespace_of(deployment)))
        owned = await claim_all(
            self.client,
            self.executor,
            deployment,
            DEPLOYMENTS,
            lambda obj: selector.matches(labels_of(obj)),
            [*mine, *orphans],
            REPLICA_SETS,
        )
        pods_of = {uid_of(obj): list(self.pods.by_index(CONTROLLER, uid_of(obj))) for obj in owned}
        actions = plan(View(deployment, tuple(owned), self.clock.now(), pods_of))
        report = await self.perform(key, actions)
        if report.error is not None:
            await self._failed(key, deployment, owned, report)

    async def _refuse_to_select_all(self, key: str, deployment: Obj) -> None:
        text = "This deployment is selecting all pods. A non-empty selector is required."
        event = RecordEvent(deployment, WARNING, "SelectingAll", text)
        status = deployment.get("status") or {}
        generation = deployment["metadata"].get("generation", 0)
        if status.get("observedGeneration", 0) >= generation:
            await self.perform(key, [event])
            return
        obj = deployment | {"status": status | {"observedGeneration": generation}}
        (await self.perform(key, [event, UpdateStatus(DEPLOYMENTS, obj)])).raise_error()

    async def _failed(self, key: str, deployment: Obj, owned: Sequence[Obj], report: Report) -> None:
        """Report a new ReplicaSet that was refused; raise, so that the key is tried again."""
        error = report.error
        created = next((outcome.action for outcome in report.outcomes if outcome.error is error), None)
        if error is None or is_namespace_terminating(error):
            return
        if isinstance(created, CreateObject):
            if isinstance(error, AlreadyExists):
                await self._resolve_collision(key, deployment, created)
            else:
                await self._report_refusal(key, deployment, created, error)
        raise error

    async def _report_refusal(self, key: str, deployment: Obj, created: CreateObject, error: KubeActorsError) -> None:
        name = name_of(created.obj)
        await self.perform(key, plan_create_failed(deployment, name, str(error), self.clock.now()))

    async def _resolve_collision(self, key: str, deployment: Obj, created: CreateObject) -> None:
        """The name is taken: by ours, which the cache does not show yet, or by another template's."""
        try:
            found = await self.client.get(REPLICA_SETS, name_of(created.obj), namespace_of(created.obj))
        except NotFound:
            return
        ref = controller_of(found)
        ours = ref is not None and ref.get("uid") == uid_of(deployment)
        if ours and same_template(found["spec"]["template"], deployment["spec"]["template"]):
            return
        (await self.perform(key, plan_collision(deployment))).raise_error()
