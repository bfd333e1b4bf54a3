"""HorizontalPodAutoscalers: how many replicas metrics ask for, what holds that back, and the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.aio.clock import LoopClock, rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import condition
from kube_actors.api.resources import DEPLOYMENTS, EVENTS, Resource
from kube_actors.client.informer import InformerFactory
from kube_actors.client.testing import FakeKubeClient
from kube_actors.client.types import ObjList
from kube_actors.controllers.base import Context
from kube_actors.controllers.config import ControllerConfig
from kube_actors.controllers.metrics import Counters
from kube_actors.controllers.podautoscaler import replicas
from kube_actors.controllers.podautoscaler.controller import AUTOSCALERS, HorizontalPodAutoscalerController
from kube_actors.controllers.podautoscaler.limits import DOWNSCALE_STABILIZATION, Change, History, limit
from kube_actors.controllers.podautoscaler.pods import Groups, Sample, group
from kube_actors.controllers.podautoscaler.replicas import NoAnswer, Tolerance

NOW = 1_700_000_000.0
EXACT = Tolerance()


def samples(*values: int) -> dict[str, Sample]:
    return {f"p{number}": Sample(value, NOW, 15.0) for number, value in enumerate(values)}


def groups(ready: int, unready: int = 0, missing: int = 0) -> Groups:
    """Names follow those of `samples`: unready ones have a sample, missing ones do not."""
    names = [f"p{number}" for number in range(ready + unready + missing)]
    waiting = frozenset(names[ready : ready + unready])
    return Groups(ready, waiting, frozenset(names[ready + unready :]), frozenset())


def of_requests(count: int, each: int = 1000) -> dict[str, int]:
    return {f"p{number}": each for number in range(count)}


@pytest.mark.parametrize(
    ("values", "target", "wanted"),
    [
        ((300, 500, 700), 30, 5),
        ((500, 500, 500), 50, 3),
        ((540, 540, 540), 50, 3),
        ((560, 560, 560), 50, 4),
        ((100, 100, 100), 50, 1),
    ],
)
def test_replicas_follow_the_ratio_of_use_to_requests(values: tuple[int, ...], target: int, wanted: int) -> None:
    answer = replicas.by_utilization(3, target, samples(*values), of_requests(3), groups(3), EXACT)
    assert answer.replicas == wanted
    assert answer.utilization == sum(values) // 30


def test_going_up_missing_pods_count_as_idle_and_unready_ones_too() -> None:
    answer = replicas.by_utilization(
        4, 50, samples(1000, 1000, 1000), of_requests(4), groups(2, unready=1, missing=1), EXACT
    )
    # (1000 + 1000 + 0 + 0) / 4000 is 50 %: no move, where the two ready ones alone would ask for 8.
    assert answer.replicas == 4


def test_going_down_missing_pods_count_as_fully_busy() -> None:
    answer = replicas.by_utilization(4, 50, samples(100, 100), of_requests(4), groups(2, missing=2), EXACT)
    # (100 + 100 + 1000 + 1000) / 4000 is 55 %: within the tolerance.
    assert answer.replicas == 4


def test_an_average_value_is_a_ratio_of_its_own() -> None:
    assert replicas.by_average(2, 500, samples(1000, 1000), groups(2), EXACT).replicas == 4


def test_without_metrics_there_is_no_answer() -> None:
    with pytest.raises(NoAnswer, match="did not receive metrics"):
        replicas.by_average(2, 500, {}, groups(0, missing=2), EXACT)


def test_values_of_objects_scale_by_ratio_and_shares_by_division() -> None:
    assert replicas.by_value(3, 3, 100_000, 200_000, EXACT) == 6
    assert replicas.by_value(0, 0, 100_000, 250_000, EXACT) == 3
    assert replicas.by_share(3, 50_000, 400_000, EXACT).replicas == 8
    assert replicas.by_share(4, 100_000, 401_000, EXACT).replicas == 4


@given(st.lists(st.integers(0, 4000), min_size=1, max_size=8), st.integers(1, 100), st.integers(0, 3))
def test_more_use_never_asks_for_fewer_replicas(values: list[int], target: int, missing: int) -> None:
    count = len(values)

    def ask(extra: int) -> int:
        used = samples(*(value + extra for value in values))
        asked = of_requests(count + missing)
        return replicas.by_utilization(count, target, used, asked, groups(count, missing=missing), EXACT).replicas

    assert ask(0) <= ask(500) <= ask(5000)


def pod(name: str, ready: str = "True", phase: str = "Running", started: float = NOW - 1000, **rest: Any) -> Obj:
    conditions = [{"type": "Ready", "status": ready, "lastTransitionTime": rfc3339(started + 10)}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}, **rest},
        "spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]},
        "status": {"phase": phase, "startTime": rfc3339(started), "conditions": conditions},
    }


def test_pods_are_sorted_by_what_their_metrics_are_worth() -> None:
    pods = [
        pod("p0"),
        pod("p1", phase="Pending"),
        pod("p2", deletionTimestamp=rfc3339(NOW)),
        pod("p3", phase="Failed"),
        pod("none"),
        pod("p4", "False", started=NOW - 60),
        pod("p5", started=NOW - 60),
    ]
    found = group(pods, samples(1, 1, 1, 1, 1, 1), "cpu", NOW)
    assert found.ready == 2
    assert found.unready == {"p1", "p4"}
    assert found.missing == {"none"}
    assert found.ignored == {"p2", "p3"}


def spec(low: int = 1, high: int = 100, **behavior: Obj) -> Obj:
    return {"minReplicas": low, "maxReplicas": high} | ({"behavior": behavior} if behavior else {})


def rules(kind: str, value: int, period: int = 60, **rest: Any) -> Obj:
    return {"policies": [{"type": kind, "value": value, "periodSeconds": period}], "selectPolicy": "Max", **rest}


def test_down_waits_for_the_highest_recommendation_of_five_minutes() -> None:
    history = History()
    assert limit(spec(), history, 10, 10, NOW).replicas == 10
    held = limit(spec(), history, 10, 3, NOW + 60)
    assert held.replicas == 10
    assert held.stabilized is not None
    assert held.stabilized[0] == "ScaleDownStabilized"
    assert limit(spec(), history, 10, 3, NOW + DOWNSCALE_STABILIZATION + 61).replicas == 3


def test_up_is_at_most_double_or_four_without_behavior() -> None:
    assert limit(spec(), History(), 1, 50, NOW).replicas == 4
    assert limit(spec(), History(), 10, 50, NOW).limited[1] == "ScaleUpLimit"
    assert limit(spec(high=15), History(), 10, 50, NOW).limited[1] == "TooManyReplicas"


def test_policies_count_what_was_changed_in_their_period() -> None:
    behavior = {"scaleUp": rules("Pods", 4), "scaleDown": rules("Percent", 50, stabilizationWindowSeconds=0)}
    history = History(ups=[Change(3, NOW - 30)])
    assert limit(spec(**behavior), history, 10, 50, NOW).replicas == 11
    assert limit(spec(**behavior), History(), 10, 1, NOW).replicas == 5
    disabled = {"scaleDown": rules("Pods", 1, stabilizationWindowSeconds=0) | {"selectPolicy": "Disabled"}}
    assert limit(spec(**disabled), History(), 10, 1, NOW).replicas == 10


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(1, 400)), max_size=20), st.booleans())
def test_limits_hold_whatever_is_recommended(steps: list[tuple[int, float]], own_rules: bool) -> None:
    behavior = {"scaleUp": rules("Pods", 2), "scaleDown": rules("Pods", 2)} if own_rules else {}
    wanted_spec, history, current, now = spec(2, 20, **behavior), History(), 5, NOW
    for wanted, wait in steps:
        now += wait
        allowed = limit(wanted_spec, history, current, wanted, now).replicas
        assert 2 <= allowed <= 20
        # A move in a direction is never more than was asked for, and never against it.
        assert min(current, max(wanted, 2)) <= allowed <= max(current, min(wanted, 20))
        history.record(current, allowed, now, behavior)
        current = allowed


class Cluster(FakeKubeClient):
    """A Deployment with a scale, and pods that use `cpu` thousandths each."""

    def __init__(self, clock: LoopClock, cpu: int) -> None:
        super().__init__(clock=clock)
        self.cpu: int | None = cpu
        self.clock = clock

    async def get(self, resource: Resource, name: str, namespace: str = "", *, subresource: str = "") -> Obj:
        found = await super().get(resource, name, namespace)
        if subresource != "scale":
            return found
        count = found["spec"]["replicas"]
        return {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": found["metadata"],
            "spec": {"replicas": count},
            "status": {"replicas": count, "selector": "app=web"},
        }

    async def update(self, resource: Resource, obj: Obj, *, subresource: str = "", **rest: Any) -> Obj:
        if subresource != "scale":
            return await super().update(resource, obj, subresource=subresource, **rest)
        name = obj["metadata"]["name"]
        return await self.patch(resource, name, {"spec": {"replicas": obj["spec"]["replicas"]}}, "default")

    async def list(self, resource: Resource, *args: Any, **rest: Any) -> ObjList:
        if resource.group != "metrics.k8s.io":
            return await super().list(resource, *args, **rest)
        if self.cpu is None:
            return ObjList([], "")
        usage = [{"name": "c", "usage": {"cpu": f"{self.cpu}m"}}]
        stamp = rfc3339(self.clock.now())
        items = [
            {"metadata": {"name": name}, "timestamp": stamp, "window": "15s", "containers": usage}
            for name in ("p", "q")
        ]
        return ObjList(items, "")

    @property
    def size(self) -> int:
        return int(self.objects(DEPLOYMENTS)[0]["spec"]["replicas"])

    @property
    def autoscaler(self) -> Obj:
        return self.objects(AUTOSCALERS)[0]

    def reasons(self) -> list[str]:
        return [each["reason"] for each in self.objects(EVENTS)]


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def event(self, obj: Obj, type: str, reason: str, message: str) -> None:
        self.events.append((reason, message))


def build(
    cpu: int, recorder: Recorder, **changes: Any
) -> tuple[Cluster, InformerFactory, HorizontalPodAutoscalerController]:
    clock = LoopClock()
    client = Cluster(clock, cpu)
    client.put(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"replicas": 2},
        }
    )
    for name in ("p", "q"):
        client.put(pod(name, started=clock.now() - 1000))
    target = {"type": "Utilization", "averageUtilization": 50}
    client.put(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web", "namespace": "default", "uid": "u", "generation": 1},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "minReplicas": 1,
                "maxReplicas": 10,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            }
            | changes,
        }
    )
    informers = InformerFactory(client, clock)
    context = Context(client, informers, recorder, clock, Counters(), ControllerConfig(root_ca=b"", identity="test"))
    return client, informers, HorizontalPodAutoscalerController(context)


async def running(
    client: Cluster, informers: InformerFactory, controller: HorizontalPodAutoscalerController, look: Callable[[], Any]
) -> None:
    await informers.start_all()
    await controller.start()
    try:
        await look()
    finally:
        await controller.stop()
        await informers.stop_all()


@pytest.mark.looptime
async def test_busy_pods_get_company_and_the_status_says_why() -> None:
    recorder = Recorder()
    client, informers, controller = build(900, recorder)

    async def look() -> None:
        await asyncio.sleep(1.0)
        assert client.size == 4
        status = client.autoscaler["status"]
        assert (status["currentReplicas"], status["desiredReplicas"]) == (2, 4)
        current = status["currentMetrics"][0]["resource"]["current"]
        assert current == {"averageUtilization": 90, "averageValue": "900m"}
        assert condition(client.autoscaler, "AbleToScale")["reason"] == "SucceededRescale"  # type: ignore[index]
        found = "a replica count from cpu resource utilization (percentage of request)"
        message = condition(client.autoscaler, "ScalingActive")["message"]  # type: ignore[index]
        assert message == f"the HPA was able to successfully calculate {found}"
        why = "New size: 4; reason: cpu resource utilization (percentage of request) above target"
        assert recorder.events == [("SuccessfulRescale", why)]

    await running(client, informers, controller, look)


@pytest.mark.looptime
async def test_idle_pods_go_after_the_stabilization_window() -> None:
    client, informers, controller = build(10, Recorder())

    async def look() -> None:
        await asyncio.sleep(200.0)
        assert client.size == 2
        await asyncio.sleep(200.0)
        assert client.size == 1

    await running(client, informers, controller, look)


@pytest.mark.looptime
async def test_without_metrics_nothing_moves_and_the_conditions_tell() -> None:
    recorder = Recorder()
    client, informers, controller = build(10, recorder)
    client.cpu = None

    async def look() -> None:
        await asyncio.sleep(1.0)
        assert client.size == 2
        active = condition(client.autoscaler, "ScalingActive")
        assert active is not None
        assert (active["status"], active["reason"]) == ("False", "FailedGetResourceMetric")
        why = (
            "failed to get cpu utilization: unable to get metrics for resource cpu: "
            "no metrics returned from resource metrics API"
        )
        assert active["message"] == f"the HPA was unable to compute the replica count: {why}"
        text = f"invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: {why}"
        assert set(recorder.events) == {("FailedGetResourceMetric", why), ("FailedComputeMetricsReplicas", text)}

    await running(client, informers, controller, look)


@pytest.mark.looptime
async def test_a_scale_outside_its_bounds_is_put_right_without_metrics() -> None:
    client, informers, controller = build(500, Recorder(), minReplicas=3)

    async def look() -> None:
        await asyncio.sleep(1.0)
        assert client.size == 3

    await running(client, informers, controller, look)
