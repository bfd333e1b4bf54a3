"""The DaemonSet controller: claims pods and revisions, performs the plan, writes the status."""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.meta import get_path, is_deleting, labels_of, name_of, namespace_of, uid_of
from kube_actors.api.resources import NODES, PODS, Resource, builtin
from kube_actors.api.selectors import LabelSelector
from kube_actors.client.informer import Informer
from kube_actors.controllers.actions import WARNING, Action, Requeue, UpdateStatus
from kube_actors.controllers.base import Context, Controller, On, is_namespace_terminating
from kube_actors.controllers.claiming import claim_all
from kube_actors.controllers.daemonset.backoff import FailedPods
from kube_actors.controllers.daemonset.eligibility import Verdict, verdict
from kube_actors.controllers.daemonset.plan import Change, View, plan
from kube_actors.controllers.daemonset.pods import Template, template_of
from kube_actors.controllers.daemonset.status import plan_status
from kube_actors.controllers.dependents import DependentHandler
from kube_actors.controllers.expectations import TTL, Expectations
from kube_actors.controllers.history.ensure import Present, ensure_revision
from kube_actors.controllers.history.revisions import (
    CONTROLLER_REVISIONS,
    REVISION_LABEL,
    equal_to,
    hash_of,
    surplus,
)
from kube_actors.controllers.indexes import CONTROLLER, OWNED, orphans_of
from kube_actors.controllers.node_lifecycle.taints import taints_of
from kube_actors.controllers.pod_control import PodControl
from kube_actors.controllers.pods import next_available_after
from kube_actors.controllers.statuses import same_status

DAEMON_SETS = builtin("apps/v1", "daemonsets")


def _selects(owner: Obj, obj: Obj) -> bool:
    selector = LabelSelector.from_object(owner["spec"].get("selector"))
    return not selector.is_everything and selector.matches(labels_of(obj))


class DaemonSetController(Controller):
    """Keeps one pod a node; see `plan.plan`."""

    name = "daemonset"
    workers = 2

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.owners = self.informer(DAEMON_SETS)
        self.pods = self.informer(PODS, OWNED)
        self.nodes = self.informer(NODES)
        self.revisions = self.informer(CONTROLLER_REVISIONS, OWNED)
        self.expectations = Expectations(context.clock)
        self.pod_control = PodControl(self.executor, self.expectations)
        self._failed_pods = FailedPods()
        self.enqueue_from(self.owners)
        self.pods.add_handler(DependentHandler(DAEMON_SETS, self.owners, _selects, self.queue.add, self.expectations))
        self.nodes.add_handler(On(self._node_changed, self._node_updated, self._node_changed))

    def _node_changed(self, node: Obj) -> None:
        for owner in self.owners.list():
            if verdict(owner, node).keep:
                self.enqueue(owner)

    def _node_updated(self, old: Obj, new: Obj) -> None:
        if labels_of(old) == labels_of(new) and taints_of(old) == taints_of(new):
            return
        for owner in self.owners.list():
            if verdict(owner, old) != verdict(owner, new):
                self.enqueue(owner)

    async def sync(self, key: str) -> None:
        owner = self.owners.get(key)
        if owner is None:
            self.expectations.forget(key)
            return
        selector = LabelSelector.from_object(owner["spec"].get("selector"))
        if selector.is_everything:
            text = "This daemon set is selecting all pods. A non-empty selector is required."
            self.context.recorder.event(owner, WARNING, "SelectingAll", text)
            return
        if is_deleting(owner):
            return
        may_act = self.expectations.satisfied(key)
        if not may_act:
            self.queue.add_after(key, TTL + 1)
        verdicts = {name_of(node): verdict(owner, node) for node in self.nodes.list()}
        history = await self._claim(owner, self.revisions, CONTROLLER_REVISIONS)
        present = await ensure_revision(self.client, self.executor, owner, history, hash_label=REVISION_LABEL)
        template = template_of(owner, hash_of(present.revision, REVISION_LABEL))
        pods = await self._claim(owner, self.pods, PODS)
        error: KubeActorsError | None = None
        if may_act:
            now = self.clock.now()
            resting = self._failed_pods.resting(uid_of(owner), now)
            change = plan(View(owner, pods, verdicts, template, now, resting))
            error = await self._apply(key, owner, change)
        await self._write_status(key, owner, pods, verdicts, template, present, may_act)
        if may_act:
            await self._trim(owner, history, pods)
        if error is not None and not is_namespace_terminating(error):
            raise error

    async def _claim(self, owner: Obj, informer: Informer, resource: Resource) -> list[Obj]:
        mine = informer.by_index(CONTROLLER, uid_of(owner))
        orphans = informer.by_index(CONTROLLER, orphans_of(namespace_of(owner)))

        def matches(obj: Obj) -> bool:
            return _selects(owner, obj)

        return await claim_all(self.client, self.executor, owner, DAEMON_SETS, matches, [*mine, *orphans], resource)

    async def _apply(self, key: str, owner: Obj, change: Change) -> KubeActorsError | None:
        for node in change.failed:
            self.queue.add_after(key, self._failed_pods.failed(uid_of(owner), node, self.clock.now()))
        await self.executor.run(change.events)
        created, deleted = await self.pod_control.change(key, owner, change.create, change.delete)
        return created.error or deleted.error

    async def _write_status(
        self,
        key: str,
        owner: Obj,
        pods: Sequence[Obj],
        verdicts: dict[str, Verdict],
        template: Template,
        present: Present,
        observed: bool,
    ) -> None:
        now = self.clock.now()
        status = plan_status(owner, pods, verdicts, template, now, collisions=present.collisions, observed=observed)
        actions: list[Action] = []
        if not same_status(owner.get("status") or {}, status):
            actions.append(UpdateStatus(DAEMON_SETS, owner | {"status": status}))
        if (after := next_available_after(pods, owner["spec"].get("minReadySeconds", 0), now)) is not None:
            actions.append(Requeue(after))
        (await self.perform(key, actions)).raise_error()

    async def _trim(self, owner: Obj, history: Sequence[Obj], pods: Sequence[Obj]) -> None:
        """Old revisions beyond the limit; those that a pod still has stay."""
        present = {name_of(each) for each in equal_to(owner["spec"]["template"], history)[-1:]}
        old = [each for each in history if name_of(each) not in present]
        hashes = {labels_of(pod).get(REVISION_LABEL) for pod in pods}
        live = {name_of(each) for each in old if hash_of(each, REVISION_LABEL) in hashes}
        limit = get_path(owner, "spec", "revisionHistoryLimit", default=10)
        (await self.executor.run(surplus(old, live, limit, count_live=True))).raise_error()
