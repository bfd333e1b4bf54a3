"""Metrics as the API server has them: metrics.k8s.io, custom.metrics.k8s.io, external.metrics.k8s.io."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj, durations, quantity
from kube_actors.api.errors import KubeActorsError
from kube_actors.api.meta import get_path
from kube_actors.api.pods import sidecars
from kube_actors.api.resources import Resource
from kube_actors.api.selectors import LabelSelector
from kube_actors.client.interface import Client
from kube_actors.controllers.podautoscaler.pods import Sample
from kube_actors.controllers.podautoscaler.replicas import NoAnswer

POD_METRICS = Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", True)
CUSTOM, CUSTOM_VERSION = "custom.metrics.k8s.io", "v1beta2"
EXTERNAL, EXTERNAL_VERSION = "external.metrics.k8s.io", "v1beta1"


class Metrics:
    """Reads; every failure is a NoAnswer with the text that Kubernetes shows in the condition."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def resource(self, namespace: str, selector: str, name: str, container: str = "") -> dict[str, Sample]:
        """What each pod uses of a resource; of one container where it is given."""
        unable = f"unable to get metrics for resource {name}"
        try:
            found = (await self._client.list(POD_METRICS, namespace, labels=selector)).items
        except KubeActorsError as error:
            text = (
                f"unable to get metrics for resource {name}: unable to fetch metrics from resource metrics API: {error}"
            )
            raise NoAnswer(text) from error
        samples = {}
        for each in found:
            value = _usage(each.get("containers") or (), name, container)
            if value is not None:
                samples[str(each["metadata"]["name"])] = Sample(value, *_when(each))
        if not samples:
            raise NoAnswer(f"{unable}: no metrics returned from resource metrics API")
        return samples

    async def of_pods(self, namespace: str, names: Iterable[str], metric: Obj) -> dict[str, Sample]:
        """A custom metric of each of these pods."""
        wanted = set(names)
        resource = Resource(CUSTOM, CUSTOM_VERSION, "pods", "MetricValueList", True)
        found = await self._custom(resource, namespace, "*", metric)
        return {
            str(name): Sample(quantity.milli(each["value"]), *_when(each))
            for each in found
            if (name := get_path(each, "describedObject", "name")) in wanted
        }

    async def of_object(self, namespace: str, resource: Resource, name: str, metric: Obj) -> int:
        """A custom metric of one object, in thousandths."""
        plural = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
        custom = Resource(CUSTOM, CUSTOM_VERSION, plural, "MetricValueList", resource.namespaced)
        found = await self._custom(custom, namespace if resource.namespaced else "", name, metric)
        if not found:
            raise NoAnswer(f"unable to get metric {metric['name']}: no metrics returned from custom metrics API")
        return quantity.milli(found[0]["value"])

    async def external(self, namespace: str, metric: Obj) -> int:
        """The sum of an external metric's values, in thousandths."""
        resource = Resource(EXTERNAL, EXTERNAL_VERSION, str(metric["name"]), "ExternalMetricValueList", True)
        selector = str(LabelSelector.from_object(metric.get("selector") or {}))
        try:
            found = (await self._client.list(resource, namespace, labels=selector)).items
        except KubeActorsError as error:
            raise NoAnswer(f"unable to fetch metrics from external metrics API: {error}") from error
        if not found:
            raise NoAnswer("no metrics returned from external metrics API")
        return sum(quantity.milli(each["value"]) for each in found)

    async def _custom(self, resource: Resource, namespace: str, name: str, metric: Obj) -> list[Obj]:
        if metric.get("selector"):
            raise NoAnswer("selectors of custom metrics are not supported")
        try:
            found = await self._client.get(resource, name, namespace, subresource=str(metric["name"]))
        except KubeActorsError as error:
            text = f"unable to get metric {metric['name']}: unable to fetch metrics from custom metrics API: {error}"
            raise NoAnswer(text) from error
        return list(found.get("items") or ())


def requests(pods: Iterable[Obj], name: str, container: str = "") -> Mapping[str, int]:
    """What each pod requests of a resource, in thousandths. Raises NoAnswer where a container says nothing."""
    asked: dict[str, int] = {}
    for pod in pods:
        pod_name, spec = str(pod["metadata"]["name"]), pod["spec"]
        for each in (*(spec.get("containers") or ()), *sidecars(spec)):
            if container and each["name"] != container:
                continue
            request = get_path(each, "resources", "requests", name)
            if request is None:
                raise NoAnswer(f"missing request for {name} in container {each['name']} of Pod {pod_name}")
            asked[pod_name] = asked.get(pod_name, 0) + quantity.milli(request)
    return asked


def _usage(containers: Iterable[Obj], name: str, container: str) -> int | None:
    """In thousandths; None where a container has none of it, for then the sum would be too small."""
    total: int | None = None
    for each in containers:
        if container and each.get("name") != container:
            continue
        used = (each.get("usage") or {}).get(name)
        if used is None:
            return None
        total = (total or 0) + quantity.milli(used)
    return total


def _when(metric: Obj) -> tuple[float, float]:
    """The end and the length of the time that a metric speaks of."""
    stamp = metric.get("timestamp")
    try:
        return (parse_rfc3339(stamp) if stamp else 0.0), durations.seconds(str(metric.get("window") or "60s"))
    except ValueError as error:
        raise NoAnswer(f"unable to read a metric's time: {error}") from error
