"""The loop: every autoscaler, every 15 seconds."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj, quantity
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.meta import get_path, namespace_of, uid_of
from kube_actors.api.resources import PODS, Resource, builtin
from kube_actors.api.selectors import LabelSelector
from kube_actors.controllers import conditions
from kube_actors.controllers.actions import NORMAL, WARNING, UpdateStatus
from kube_actors.controllers.base import Context, Controller, On
from kube_actors.controllers.kinds import resource_of
from kube_actors.controllers.podautoscaler.evaluate import FAILED, Proposal, Target, evaluate, wanted_value
from kube_actors.controllers.podautoscaler.limits import History, limit
from kube_actors.controllers.podautoscaler.replicas import TOLERANCE, NoAnswer, Tolerance
from kube_actors.controllers.podautoscaler.source import Metrics
from kube_actors.controllers.statuses import same_status

AUTOSCALERS = builtin("autoscaling/v2", "horizontalpodautoscalers")
# --horizontal-pod-autoscaler-sync-period.
PERIOD = 15.0
ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"


class CannotScale(KubeActorsError):
    """An autoscaler that can do nothing now; its conditions say why. Tried again at the next period."""


@dataclass(slots=True)
class Round:
    """One look at one autoscaler: the conditions and the numbers that its status will have."""

    autoscaler: Obj
    now: float
    conditions: list[Obj] = field(default_factory=list)
    current: int = 0
    desired: int = 0
    metrics: list[Obj] = field(default_factory=list)
    scaled: bool = False

    def say(self, kind: str, is_true: bool, reason: str, message: str) -> None:
        new = conditions.make(kind, "True" if is_true else "False", reason, message, self.now)
        old = conditions.find(self.conditions, kind)
        if old is not None and old["status"] == new["status"]:
            new["lastTransitionTime"] = old.get("lastTransitionTime", new["lastTransitionTime"])
        self.conditions = [*conditions.without(self.conditions, kind), new]

    def status(self) -> Obj:
        before = self.autoscaler.get("status") or {}
        status: Obj = {
            "observedGeneration": self.autoscaler["metadata"].get("generation"),
            "currentReplicas": self.current,
            "desiredReplicas": self.desired,
            "currentMetrics": self.metrics or before.get("currentMetrics"),
            "conditions": self.conditions,
            "lastScaleTime": rfc3339(self.now) if self.scaled else before.get("lastScaleTime"),
        }
        return {key: value for key, value in status.items() if value is not None}


class HorizontalPodAutoscalerController(Controller):
    """Keys are autoscalers. What was recommended lately is in memory: a new manager starts without a past."""

    name = "horizontal-pod-autoscaler"
    event_source = "horizontal-pod-autoscaler"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.autoscalers = self.informer(AUTOSCALERS)
        self.pods = self.informer(PODS)
        self.metrics = Metrics(context.client)
        self._histories: dict[str, History] = {}
        self.autoscalers.add_handler(On(self.enqueue, self._changed, self._gone))

    def _changed(self, old: Obj, new: Obj) -> None:
        if old["spec"] != new["spec"]:
            self.enqueue(new)

    def _gone(self, autoscaler: Obj) -> None:
        self._histories.pop(uid_of(autoscaler), None)

    async def sync(self, key: str) -> None:
        autoscaler = self.autoscalers.get(key)
        if autoscaler is None:
            return
        try:
            await self._look(key, autoscaler)
        finally:
            self.queue.add_after(key, PERIOD)

    async def _look(self, key: str, autoscaler: Obj) -> None:
        before = autoscaler.get("status") or {}
        look = Round(autoscaler, self.clock.now(), list(before.get("conditions") or ()))
        look.current = int(before.get("currentReplicas") or 0)
        look.desired = int(before.get("desiredReplicas") or 0)
        # What cannot be done now is told by the conditions and an event.
        with contextlib.suppress(CannotScale):
            await self._reconcile(look)
        if not same_status(before, look.status()):
            (await self.perform(key, [UpdateStatus(AUTOSCALERS, autoscaler | {"status": look.status()})])).raise_error()

    async def _reconcile(self, look: Round) -> None:
        resource, scale = await self._scale(look)
        spec = look.autoscaler["spec"]
        current = int(get_path(scale, "spec", "replicas", default=0))
        look.current = int(get_path(scale, "status", "replicas", default=0))
        history = self._histories.setdefault(uid_of(look.autoscaler), History([(look.now, current)]))
        low, high = int(spec.get("minReplicas", 1)), int(spec["maxReplicas"])
        if current == 0 and low != 0:
            text = "scaling is disabled since the replica count of the target is zero"
            look.say(ACTIVE, False, "ScalingDisabled", text)
            look.desired = 0
            return
        if current > high:
            desired, why = high, "Current number of replicas above Spec.MaxReplicas"
        elif current < low:
            desired, why = low, "Current number of replicas below Spec.MinReplicas"
        else:
            desired, why = await self._by_metrics(look, scale, current, history)
        if desired != current:
            await self._rescale(look, resource, scale, desired, why)
            history.record(current, desired, look.now, spec.get("behavior") or {})
        look.desired = desired

    async def _scale(self, look: Round) -> tuple[Resource, Obj]:
        ref = look.autoscaler["spec"]["scaleTargetRef"]
        try:
            resource = await resource_of(self.client, str(ref.get("apiVersion") or "v1"), ref["kind"])
            if resource is None:
                raise CannotScale(f'no matches for kind "{ref["kind"]}" in group "{ref.get("apiVersion", "")}"')
            namespace = namespace_of(look.autoscaler)
            scale = await self.client.get(resource, ref["name"], namespace, subresource="scale")
        except KubeActorsError as error:
            text = f"the HPA controller was unable to get the target's current scale: {error}"
            look.say(ABLE, False, "FailedGetScale", text)
            self._warn(look, "FailedGetScale", str(error))
            raise CannotScale(text) from error
        text = "the HPA controller was able to get the target's current scale"
        look.say(ABLE, True, "SucceededGetScale", text)
        return resource, scale

    async def _by_metrics(self, look: Round, scale: Obj, current: int, history: History) -> tuple[int, str]:
        best, why = await self._best(look, self._target(look, scale, current))
        limited = limit(look.autoscaler["spec"], history, current, best.replicas, look.now)
        ready = ("ReadyForNewScale", "recommended size matches current size")
        look.say(ABLE, True, *(limited.stabilized or ready))
        look.say(LIMITED, *limited.limited)
        if limited.replicas < current:
            why = "All metrics below target"
        return limited.replicas, why

    def _target(self, look: Round, scale: Obj, current: int) -> Target:
        selector = str(get_path(scale, "status", "selector", default=""))
        if not selector:
            text = "the HPA target's scale is missing a selector"
            look.say(ACTIVE, False, "InvalidSelector", text)
            self._warn(look, "SelectorRequired", "selector is required")
            raise CannotScale(text)
        namespace = namespace_of(look.autoscaler)
        matches = LabelSelector.parse(selector)
        pods = [pod for pod in self.pods.list(namespace) if matches.matches(pod["metadata"].get("labels") or {})]
        return Target(namespace, selector, pods, current, look.current)

    async def _best(self, look: Round, target: Target) -> tuple[Proposal, str]:
        """The largest proposal. With a metric that cannot be had, nothing is taken away."""
        spec = look.autoscaler["spec"]
        proposals: list[Proposal] = []
        failures: list[tuple[Obj, str]] = []
        for metric in spec.get("metrics") or ():
            try:
                tolerance = _tolerance(spec.get("behavior") or {})
                proposals.append(await evaluate(metric, target, tolerance, self.metrics, self.client, look.now))
            except NoAnswer as error:
                failures.append((metric, str(error)))
        look.metrics = [proposal.status for proposal in proposals]
        best = max(proposals, key=lambda proposal: proposal.replicas, default=None)
        if best is None or (failures and best.replicas < target.spec_replicas):
            self._no_metrics(look, failures, len(spec.get("metrics") or ()))
            raise CannotScale("invalid metrics")
        text = f"the HPA was able to successfully calculate a replica count from {best.name}"
        look.say(ACTIVE, True, "ValidMetricFound", text)
        return best, f"{best.name} above target"

    def _no_metrics(self, look: Round, failures: list[tuple[Obj, str]], count: int) -> None:
        first, why = failures[0]
        text = f"the HPA was unable to compute the replica count: {why}"
        look.say(ACTIVE, False, FAILED[first["type"]], text)
        for metric, each_why in failures:
            self._warn(look, FAILED[metric["type"]], each_why)
        error = f"failed to get {wanted_value(first)}: {why}"
        all_of = f"invalid metrics ({len(failures)} invalid out of {count}), first error is: {error}"
        self._warn(look, "FailedComputeMetricsReplicas", all_of)

    async def _rescale(self, look: Round, resource: Resource, scale: Obj, desired: int, why: str) -> None:
        # An unchanged resourceVersion: whoever scaled meanwhile wins, and the next round sees it.
        wanted = scale | {"spec": {"replicas": desired}}
        try:
            await self.client.update(resource, wanted, subresource="scale", field_manager="kube-controller-manager")
        except KubeActorsError as error:
            look.desired = look.current
            text = f"the HPA controller was unable to update the target scale: {error}"
            look.say(ABLE, False, "FailedUpdateScale", text)
            self._warn(look, "FailedRescale", f"New size: {desired}; reason: {why}; error: {error}")
            raise CannotScale(text) from error
        text = f"the HPA controller was able to update the target scale to {desired}"
        look.say(ABLE, True, "SucceededRescale", text)
        look.scaled = True
        event = f"New size: {desired}; reason: {why}"
        self.context.recorder.event(look.autoscaler, NORMAL, "SuccessfulRescale", event)

    def _warn(self, look: Round, reason: str, message: str) -> None:
        self.context.recorder.event(look.autoscaler, WARNING, reason, message)


def _tolerance(behavior: Obj) -> Tolerance:
    def of(rules: Obj | None) -> float:
        given = (rules or {}).get("tolerance")
        return TOLERANCE if given is None else float(quantity.parse(given))

    return Tolerance(of(behavior.get("scaleUp")), of(behavior.get("scaleDown")))
