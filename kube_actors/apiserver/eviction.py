"""Evictions: a deletion that asks the PodDisruptionBudgets first. Kubernetes: registry/core/pod/storage/eviction.go."""

from __future__ import annotations

from kube_actors.aio.clock import Clock, rfc3339
from kube_actors.api import Obj, errors
from kube_actors.api.meta import get_path, labels_of
from kube_actors.api.resources import PODS, builtin
from kube_actors.api.selectors import LabelSelector
from kube_actors.apiserver.binding import disruption_refused, set_condition
from kube_actors.apiserver.cache.cache import Cache
from kube_actors.apiserver.registry.registry import STATUS, Registry
from kube_actors.apiserver.request import DeleteOptions, Request, Target, WriteOptions

BUDGETS = builtin("policy/v1", "poddisruptionbudgets")
TWO_BUDGETS = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


class Evictions:
    def __init__(self, cache: Cache, registry: Registry, clock: Clock) -> None:
        self._cache = cache
        self._registry = registry
        self._clock = clock

    async def evict(self, request: Request, delete: DeleteOptions, options: WriteOptions) -> None:
        """Delete the pod if every budget allows it; raises TooManyRequests where one does not."""
        target = request.target
        await self._cache.fresh()
        entry = self._cache.bucket(PODS).get(f"{target.namespace}/{target.name}")
        if entry is None:
            raise errors.not_found("pods", "", target.name)
        pod = entry.decode()
        if not _ignores_budgets(pod):
            await self._ask_budget(request, pod, options)
        if not options.dry_run:
            await self._mark(request)
        one = request.to(Target(PODS, target.namespace, target.name))
        await self._registry.delete(one, delete, admits=False)

    async def _ask_budget(self, request: Request, pod: Obj, options: WriteOptions) -> None:
        budgets = [budget for budget in self._budgets(request.target.namespace) if _covers(budget, pod)]
        name = request.target.name
        if len(budgets) > 1:
            raise errors.ApiError(TWO_BUDGETS)
        for budget in budgets:
            target = Target(BUDGETS, request.target.namespace, budget["metadata"]["name"], "status")
            one = request.to(target)
            await self._registry.update(one, lambda found: self._take(found, name), options, mode=STATUS)

    def _take(self, budget: Obj | None, pod: str) -> Obj:
        if budget is None:
            raise errors.not_found(BUDGETS.plural, BUDGETS.group, "")
        name, status = budget["metadata"]["name"], budget.setdefault("status", {})
        if (status.get("observedGeneration") or 0) < (budget["metadata"].get("generation") or 0):
            raise disruption_refused(f"The disruption budget {name} is still being processed by the server.", 10)
        allowed = status.get("disruptionsAllowed") or 0
        if allowed <= 0:
            wanted, healthy = status.get("desiredHealthy") or 0, status.get("currentHealthy") or 0
            text = f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"
            raise disruption_refused(text)
        status["disruptionsAllowed"] = allowed - 1
        status["disruptedPods"] = {**(status.get("disruptedPods") or {}), pod: rfc3339(self._clock.now())}
        return budget

    async def _mark(self, request: Request) -> None:
        """Tell in the pod's status why it goes."""
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        }
        target = Target(PODS, request.target.namespace, request.target.name, "status")

        def change(pod: Obj | None) -> Obj:
            if pod is None:
                raise errors.not_found("pods", "", target.name)
            set_condition(pod, condition, self._clock.now())
            return pod

        await self._registry.update(Request(request.user, target), change, WriteOptions(), mode=STATUS)

    def _budgets(self, namespace: str) -> list[Obj]:
        bucket = self._cache.bucket(BUDGETS)
        return [entry.decode() for entry in bucket.entries(*bucket.keys(namespace))]


def _covers(budget: Obj, pod: Obj) -> bool:
    return LabelSelector.from_object(get_path(budget, "spec", "selector")).matches(labels_of(pod))


def _ignores_budgets(pod: Obj) -> bool:
    """What does not run, or ends already, disrupts nothing."""
    phase = get_path(pod, "status", "phase")
    return phase in ("Pending", "Succeeded", "Failed") or bool(pod["metadata"].get("deletionTimestamp"))
