"""Counters in Prometheus' text format, with Kubernetes' names."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

from kube_actors.apiserver import version
from kube_actors.apiserver.cache.cache import Cache

# kube-apiserver's buckets of apiserver_request_duration_seconds.
BUCKETS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
)  # fmt: skip
# verb, group, version, resource, subresource, scope
Labels = tuple[str, str, str, str, str, str]
_LABELS = ("verb", "group", "version", "resource", "subresource", "scope")
NO_RESOURCE = ("", "", "", "")


class Metrics:
    """Of one server. Long-running requests are counted, their durations are not."""

    def __init__(self) -> None:
        self._requests: dict[tuple[Labels, int], int] = {}
        self._durations: dict[Labels, list[float]] = {}
        self.in_flight = {"readOnly": 0, "mutating": 0}

    def count(self, labels: Labels, code: int, seconds: float | None) -> None:
        """One request that was answered."""
        key = (labels, code)
        self._requests[key] = self._requests.get(key, 0) + 1
        if seconds is None:
            return
        histogram = self._durations.get(labels)
        if histogram is None:
            histogram = self._durations[labels] = [0.0] * (len(BUCKETS) + 2)
        histogram[bisect.bisect_left(BUCKETS, seconds)] += 1
        histogram[-1] += seconds

    def render(self, cache: Cache) -> bytes:
        return ("\n".join(self._lines(cache)) + "\n").encode()

    def _lines(self, cache: Cache) -> Iterator[str]:
        name = "apiserver_request_total"
        yield from _head(name, "counter", "Counter of apiserver requests by verb, resource and HTTP response code.")
        for (labels, code), count in self._requests.items():
            yield f'{name}{{code="{code}",{_text(labels)}}} {count}'
        name = "apiserver_request_duration_seconds"
        yield from _head(name, "histogram", "Response latency distribution in seconds.")
        for labels, histogram in self._durations.items():
            yield from _histogram(name, labels, histogram)
        name = "apiserver_current_inflight_requests"
        yield from _head(name, "gauge", "Number of requests that are served now, by kind.")
        for kind, count in self.in_flight.items():
            yield f'{name}{{request_kind="{kind}"}} {count}'
        name = "apiserver_longrunning_requests"
        yield from _head(name, "gauge", "Number of watches by resource.")
        for resource, count in cache.watcher_count().items():
            yield f'{name}{{resource="{resource}",verb="WATCH"}} {count}'
        name = "apiserver_storage_objects"
        yield from _head(name, "gauge", "Number of stored objects by resource.")
        for resource, count in cache.object_count().items():
            yield f'{name}{{resource="{resource}"}} {count}'
        yield from _head("kubernetes_build_info", "gauge", "The version of the API that is served.")
        yield f'kubernetes_build_info{{git_version="{version.GIT_VERSION}"}} 1'


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _text(labels: Labels) -> str:
    return ",".join(f'{key}="{value}"' for key, value in zip(_LABELS, labels, strict=True))


def _histogram(name: str, labels: Labels, histogram: list[float]) -> Iterator[str]:
    total = 0.0
    text = _text(labels)
    for bound, count in zip(BUCKETS, histogram, strict=False):
        total += count
        yield f'{name}_bucket{{{text},le="{bound:g}"}} {total:g}'
    total += histogram[len(BUCKETS)]
    yield f'{name}_bucket{{{text},le="+Inf"}} {total:g}'
    yield f"{name}_sum{{{text}}} {histogram[-1]:g}"
    yield f"{name}_count{{{text}}} {total:g}"
