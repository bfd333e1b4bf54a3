"""The ReplicaSet controller, and the ReplicationController's, which is the same with another selector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.meta import controller_of, is_deleting, labels_of, namespace_of, uid_of
from kube_actors.api.resources import PODS, REPLICA_SETS, Resource, builtin
from kube_actors.api.selectors import LabelSelector, Selector
from kube_actors.controllers.actions import Action, Requeue, UpdateStatus
from kube_actors.controllers.base import Context, Controller, is_namespace_terminating
from kube_actors.controllers.claiming import claim_all
from kube_actors.controllers.dependents import DependentHandler
from kube_actors.controllers.executor import Report
from kube_actors.controllers.expectations import TTL, Expectations
from kube_actors.controllers.indexes import CONTROLLER, OWNED, orphans_of
from kube_actors.controllers.pod_control import PodControl
from kube_actors.controllers.pods import is_active, is_terminating
from kube_actors.controllers.replicaset.plan import Change, plan_replicas
from kube_actors.controllers.replicaset.status import plan_status, requeue_after
from kube_actors.controllers.statuses import same_status


class ReplicaSetController(Controller):
    """Keeps as many active pods as spec.replicas says; adopts matching orphans, releases what no longer matches."""

    name = "replicaset"
    resource: ClassVar[Resource] = REPLICA_SETS

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.owners = self.informer(self.resource, OWNED)
        self.pods = self.informer(PODS, OWNED)
        self.expectations = Expectations(context.clock)
        self.pod_control = PodControl(self.executor, self.expectations)
        self.enqueue_from(self.owners)
        handler = DependentHandler(self.resource, self.owners, self.selects, self.queue.add, self.expectations)
        self.pods.add_handler(handler)

    def selector(self, owner: Obj) -> Selector:
        return LabelSelector.from_object(owner["spec"].get("selector"))

    def selects(self, owner: Obj, pod: Obj) -> bool:
        selector = self.selector(owner)
        return not selector.is_everything and selector.matches(labels_of(pod))

    async def sync(self, key: str) -> None:
        owner = self.owners.get(key)
        if owner is None:
            self.expectations.forget(key)
            return
        # Asked before the cache is read: what arrives in between makes the cache newer, never older.
        may_act = self.expectations.satisfied(key)
        if not may_act:
            # An event will bring it back; this is for one that was lost.
            self.queue.add_after(key, TTL + 1)
        mine = list(self.pods.by_index(CONTROLLER, uid_of(owner)))
        orphans = self.pods.by_index(CONTROLLER, orphans_of(namespace_of(owner)))
        candidates = [pod for pod in (*mine, *orphans) if is_active(pod)]
        selector = self.selector(owner)
        active = await claim_all(
            self.client,
            self.executor,
            owner,
            self.resource,
            lambda pod: selector.matches(labels_of(pod)),
            candidates,
            PODS,
        )
        terminating = [pod for pod in mine if is_terminating(pod) and selector.matches(labels_of(pod))]
        failure: tuple[str, str] | None = None
        error: KubeActorsError | None = None
        if may_act and not is_deleting(owner):
            change = plan_replicas(owner, active, self._related(owner, active), self.clock.now())
            report = await self._apply(key, owner, change)
            error = report.error
            if error is not None and not is_namespace_terminating(error):
                failure = ("FailedCreate" if change.create else "FailedDelete", str(error))
        await self._write_status(key, owner, active, terminating, failure)
        if failure is not None and error is not None:
            raise error

    def _related(self, owner: Obj, active: Sequence[Obj]) -> Sequence[Obj]:
        """The pods of all ReplicaSets of the same Deployment."""
        ref = controller_of(owner)
        if ref is None:
            return active
        siblings = self.owners.by_index(CONTROLLER, str(ref.get("uid")))
        return [pod for sibling in siblings for pod in self.pods.by_index(CONTROLLER, uid_of(sibling))]

    async def _apply(self, key: str, owner: Obj, change: Change) -> Report:
        if change.create:
            return await self.pod_control.create(key, owner, change.create)
        return await self.pod_control.delete(key, owner, change.delete)

    async def _write_status(
        self,
        key: str,
        owner: Obj,
        active: Sequence[Obj],
        terminating: Sequence[Obj],
        failure: tuple[str, str] | None,
    ) -> None:
        now = self.clock.now()
        status = plan_status(owner, active, terminating, failure, now)
        actions: list[Action] = []
        if not same_status(owner.get("status") or {}, status):
            actions.append(UpdateStatus(self.resource, owner | {"status": status}))
        if (after := requeue_after(owner, active, now)) is not None:
            actions.append(Requeue(after))
        (await self.perform(key, actions)).raise_error()


class ReplicationControllerController(ReplicaSetController):
    """The same for the older kind: its selector is a map of labels."""

    name = "replicationcontroller"
    event_source = "replication-controller"
    resource = builtin("v1", "replicationcontrollers")

    def selector(self, owner: Obj) -> Selector:
        return LabelSelector.from_labels(owner["spec"].get("selector"))
