"""Requests: how many, how long, how large, how many at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kube_actors.apiserver.metrics.families import Counter, Histogram, family

# kube-apiserver's buckets of apiserver_request_duration_seconds and apiserver_response_sizes.
DURATIONS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
)  # fmt: skip
SIZES = tuple(float(1000 * 10**power) for power in range(7))
_COMPONENT = "apiserver"


class Labels(NamedTuple):
    """Of one request. `dry_run` is empty or All."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    scope: str = ""
    dry_run: str = ""


class Requests:
    """Of one server. Long-running requests are counted, their durations are not."""

    def __init__(self) -> None:
        names = tuple(sorted((*Labels._fields, "component")))
        self._total = Counter(
            "apiserver_request_total",
            "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, "
            "component, and HTTP response code.",
            ("code", *names),
        )
        self._durations = Histogram(
            "apiserver_request_duration_seconds",
            "Response latency distribution in seconds for each verb, dry run value, group, version, resource, "
            "subresource, scope and component.",
            names,
            DURATIONS,
        )
        self._sizes = Histogram(
            "apiserver_response_sizes",
            "Response size distribution in bytes for each group, version, verb, resource, subresource, scope and "
            "component.",
            tuple(name for name in names if name != "dry_run"),
            SIZES,
        )
        self.in_flight = {"readOnly": 0, "mutating": 0}

    def count(self, labels: Labels, code: int, seconds: float | None, size: int) -> None:
        """One request that was answered; `seconds` is None for a stream, `size` the bytes of the answer's body."""
        values = _values(labels)
        self._total.add((str(code), *values))
        if seconds is None:
            return
        self._durations.add(values, seconds)
        if labels.verb in ("GET", "LIST") and labels.resource:
            self._sizes.add((values[0], *values[2:]), size)

    def lines(self) -> Iterator[str]:
        yield from self._total.lines()
        yield from self._durations.lines()
        yield from self._durations.lines(
            "apiserver_request_sli_duration_seconds",
            "Response latency distribution (not counting webhook duration and priority & fairness queue wait times) in "
            "seconds for each verb, group, version, resource, subresource, scope and component.",
        )
        yield from self._sizes.lines()
        yield from family(
            "apiserver_current_inflight_requests",
            "gauge",
            "Maximal number of currently used inflight request limit of this apiserver per request kind in last "
            "second.",
            ("request_kind",),
            (((kind,), count) for kind, count in self.in_flight.items()),
        )


def _values(labels: Labels) -> tuple[str, ...]:
    """In the order of the labels' names: component, dry_run, group, resource, scope, subresource, verb, version."""
    verb, group, version, resource, subresource, scope, dry_run = labels
    return (_COMPONENT, dry_run, group, resource, scope, subresource, verb, version)
