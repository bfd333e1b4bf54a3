"""One metric of an autoscaler: how many replicas it asks for, and what its status says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kube_actors.api import Obj, quantity
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.meta import name_of
from kube_actors.client.interface import Client
from kube_actors.controllers.kinds import resource_of
from kube_actors.controllers.podautoscaler import replicas
from kube_actors.controllers.podautoscaler.pods import group
from kube_actors.controllers.podautoscaler.replicas import Answer, NoAnswer, Tolerance
from kube_actors.controllers.podautoscaler.source import Metrics, requests
from kube_actors.controllers.pods import is_ready

# The reason of ScalingActive where a metric of the type cannot be had, which is also the event's.
FAILED = {
    "Resource": "FailedGetResourceMetric",
    "ContainerResource": "FailedGetContainerResourceMetric",
    "Pods": "FailedGetPodsMetric",
    "Object": "FailedGetObjectMetric",
    "External": "FailedGetExternalMetric",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What is scaled: its pods, and both numbers of its scale. `selector` is the scale's text."""

    namespace: str
    selector: str
    pods: Sequence[Obj]
    spec_replicas: int
    status_replicas: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """`name` is how events call the metric."""

    replicas: int
    name: str
    status: Obj


def wanted_value(metric: Obj) -> str:
    """How the event about all metrics calls the one that failed first."""
    kind = metric["type"]
    if kind == "Resource":
        return f"{metric['resource']['name']} resource metric value"
    if kind == "ContainerResource":
        return f"{metric['containerResource']['container']} container metric value"
    if kind == "External":
        return f"{metric['external']['metric']['name']} external metric value"
    return f"{kind.lower()} metric value"


async def evaluate(
    metric: Obj, target: Target, tolerance: Tolerance, metrics: Metrics, client: Client, now: float
) -> Proposal:
    """Raises NoAnswer."""
    kind = metric["type"]
    if kind in ("Resource", "ContainerResource"):
        source = metric["resource" if kind == "Resource" else "containerResource"]
        try:
            return await _resource(source, target, tolerance, metrics, now)
        except NoAnswer as error:
            what = "utilization" if source["target"].get("averageValue") is None else "usage"
            raise NoAnswer(f"failed to get {source['name']} {what}: {error}") from error
    if kind == "Pods":
        return await _pods(metric["pods"], target, tolerance, metrics, now)
    if kind == "Object":
        return await _object(metric["object"], target, tolerance, metrics, client)
    if kind == "External":
        return await _external(metric["external"], target, tolerance, metrics)
    raise NoAnswer(f'unknown metric source type "{kind}"')


async def _resource(source: Obj, target: Target, tolerance: Tolerance, metrics: Metrics, now: float) -> Proposal:
    name, container, wanted = str(source["name"]), str(source.get("container") or ""), source["target"]
    samples = await metrics.resource(target.namespace, target.selector, name, container)
    groups = group(target.pods, samples, name, now)
    if wanted.get("averageValue") is not None:
        goal = quantity.milli(wanted["averageValue"])
        answer = replicas.by_average(target.spec_replicas, goal, samples, groups, tolerance)
        text = f"{name} container resource" if container else f"{name} resource"
    else:
        asked = requests(target.pods, name, container)
        goal = int(wanted["averageUtilization"])
        answer = replicas.by_utilization(target.spec_replicas, goal, samples, asked, groups, tolerance)
        kind = "container resource" if container else "resource"
        text = f"{name} {kind} utilization (percentage of request)"
    of: Obj = {"name": name, "current": _current(answer)}
    if container:
        return Proposal(
            answer.replicas, text, {"type": "ContainerResource", "containerResource": of | {"container": container}}
        )
    return Proposal(answer.replicas, text, {"type": "Resource", "resource": of})


async def _pods(source: Obj, target: Target, tolerance: Tolerance, metrics: Metrics, now: float) -> Proposal:
    metric = source["metric"]
    samples = await metrics.of_pods(target.namespace, [name_of(pod) for pod in target.pods], metric)
    groups = group(target.pods, samples, "", now)
    goal = quantity.milli(source["target"]["averageValue"])
    answer = replicas.by_average(target.spec_replicas, goal, samples, groups, tolerance)
    status = {"type": "Pods", "pods": {"metric": metric, "current": _current(answer)}}
    return Proposal(answer.replicas, f"pods metric {metric['name']}", status)


async def _object(source: Obj, target: Target, tolerance: Tolerance, metrics: Metrics, client: Client) -> Proposal:
    metric, wanted, described = source["metric"], source["target"], source["describedObject"]
    try:
        resource = await resource_of(client, str(described.get("apiVersion") or "v1"), described["kind"])
    except KubeActorsError as error:
        raise NoAnswer(f"unable to get metric {metric['name']}: {error}") from error
    if resource is None:
        raise NoAnswer(f"unable to get metric {metric['name']}: no kind {described['kind']} is known")
    value = await metrics.of_object(target.namespace, resource, described["name"], metric)
    number, current = _of_value(value, wanted, target, tolerance)
    status: Obj = {"metric": metric, "describedObject": described, "current": current}
    return Proposal(number, f"{described['kind']} metric {metric['name']}", {"type": "Object", "object": status})


async def _external(source: Obj, target: Target, tolerance: Tolerance, metrics: Metrics) -> Proposal:
    metric, wanted = source["metric"], source["target"]
    value = await metrics.external(target.namespace, metric)
    number, current = _of_value(value, wanted, target, tolerance)
    status = {"type": "External", "external": {"metric": metric, "current": current}}
    return Proposal(number, f"external metric {metric['name']}({metric.get('selector')})", status)


def _of_value(value: int, wanted: Obj, target: Target, tolerance: Tolerance) -> tuple[int, Obj]:
    if wanted.get("averageValue") is not None:
        goal = quantity.milli(wanted["averageValue"])
        answer = replicas.by_share(target.status_replicas, goal, value, tolerance)
        return answer.replicas, _current(answer)
    ready = sum(1 for pod in target.pods if is_ready(pod))
    number = replicas.by_value(target.spec_replicas, ready, quantity.milli(wanted["value"]), value, tolerance)
    return number, {"value": quantity.from_milli(value)}


def _current(answer: Answer) -> Obj:
    current: Obj = {"averageValue": quantity.from_milli(answer.average)}
    if answer.utilization is not None:
        current["averageUtilization"] = answer.utilization
    return current
