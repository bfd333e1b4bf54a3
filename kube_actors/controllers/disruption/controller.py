"""The disruption controller: keeps the status of PodDisruptionBudgets."""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.api import Obj
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.meta import labels_of, namespace_of
from kube_actors.api.resources import DEPLOYMENTS, PODS, REPLICA_SETS, builtin
from kube_actors.api.selectors import LabelSelector
from kube_actors.controllers.actions import NORMAL, WARNING, Action, Requeue, UpdateStatus
from kube_actors.controllers.base import Context, Controller, On
from kube_actors.controllers.disruption.plan import Expected, expected, needs_scale, plan, plan_failure
from kube_actors.controllers.disruption.scales import Scales
from kube_actors.controllers.statefulset.controller import STATEFUL_SETS
from kube_actors.controllers.statuses import same_status

BUDGETS = builtin("policy/v1", "poddisruptionbudgets")
REPLICATION_CONTROLLERS = builtin("v1", "replicationcontrollers")
OWNERS = (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, REPLICATION_CONTROLLERS)


class DisruptionController(Controller):
    """Keys are budgets; a pod's event is one of every budget that covers it."""

    name = "disruption"
    event_source = "controllermanager"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.budgets = self.informer(BUDGETS)
        self.pods = self.informer(PODS)
        caches = {(each.api_version, each.kind): self.informer(each) for each in OWNERS}
        self.scales = Scales(context.client, caches)
        self.enqueue_from(self.budgets)
        self.pods.add_handler(On(self._pod, self._pod_updated, self._pod))

    def _pod(self, pod: Obj) -> None:
        for budget in self.budgets.list(namespace_of(pod)):
            if _covers(budget, pod):
                self.enqueue(budget)

    def _pod_updated(self, old: Obj, new: Obj) -> None:
        self._pod(new)
        if labels_of(old) != labels_of(new):
            self._pod(old)

    async def sync(self, key: str) -> None:
        budget = self.budgets.get(key)
        if budget is None:
            return
        pods = [pod for pod in self.pods.list(namespace_of(budget)) if _covers(budget, pod)]
        if not pods:
            self.context.recorder.event(budget, NORMAL, "NoPods", "No matching pods found")
        try:
            wanted = await self._expected(budget, pods)
        except (KubeActorsError, ValueError) as error:
            text = f"Failed to calculate the number of expected pods: {error}"
            self.context.recorder.event(budget, WARNING, "CalculateExpectedPodCountFailed", text)
            await self._write(key, budget, plan_failure(budget, str(error), self.clock.now()), [])
            raise
        planned = plan(budget, pods, wanted, self.clock.now())
        await self.executor.run(planned.events)
        waits: list[Action] = [] if planned.look_again is None else [Requeue(planned.look_again + 1.0)]
        await self._write(key, budget, planned.status, waits)

    async def _expected(self, budget: Obj, pods: Sequence[Obj]) -> Expected:
        if not needs_scale(budget):
            return expected(budget, pods, 0)
        scale = await self.scales.of(pods)
        if scale.unmanaged:
            text = (
                "Pods selected by this PodDisruptionBudget (selector: "
                f"{LabelSelector.from_object(budget['spec'].get('selector'))}) were found to be unmanaged. As a "
                "result, the status of the PDB cannot be calculated correctly, which may result in undefined "
                'behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an '
                "integer value."
            )
            self.context.recorder.event(budget, WARNING, "UnmanagedPods", text)
        return expected(budget, pods, scale.replicas)

    async def _write(self, key: str, budget: Obj, status: Obj, waits: Sequence[Action]) -> None:
        actions: list[Action] = list(waits)
        if not same_status(budget.get("status") or {}, status):
            actions.append(UpdateStatus(BUDGETS, budget | {"status": status}))
        (await self.perform(key, actions)).raise_error()


def _covers(budget: Obj, pod: Obj) -> bool:
    return LabelSelector.from_object(budget["spec"].get("selector")).matches(labels_of(pod))
