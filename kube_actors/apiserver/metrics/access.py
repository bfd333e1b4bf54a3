"""Turns of requests and lines of the audit log, by Kubernetes' names."""

from __future__ import annotations

from collections.abc import Iterator

from kube_actors.apiserver.audit.audit import Audit
from kube_actors.apiserver.fairness import Fairness
from kube_actors.apiserver.metrics.families import family

_LEVEL = ("priority_level",)


def lines(fairness: Fairness, audit: Audit | None) -> Iterator[str]:
    levels = (fairness.system, fairness.workload)
    text = "Number of requests rejected by API Priority and Fairness subsystem"
    rejected = (((level.name,), level.rejected) for level in levels)
    yield from family("apiserver_flowcontrol_rejected_requests_total", "counter", text, _LEVEL, rejected)
    text = "Concurrency (number of seats) occupied by the currently executing requests in the subsystem"
    taken = (((level.name,), level.taken) for level in levels)
    yield from family("apiserver_flowcontrol_current_executing_seats", "gauge", text, _LEVEL, taken)
    text = "Number of requests currently pending in queues of the API Priority and Fairness subsystem"
    waiting = (((level.name,), level.waiting) for level in levels)
    yield from family("apiserver_flowcontrol_current_inqueue_requests", "gauge", text, _LEVEL, waiting)
    text = "Concurrency limit (number of seats) of each priority level"
    seats = (((level.name,), level.seats) for level in levels)
    yield from family("apiserver_flowcontrol_nominal_limit_seats", "gauge", text, _LEVEL, seats)
    if audit is not None:
        text = "Counter of audit events that could not be written to the log."
        yield from family("apiserver_audit_error_total", "counter", text, ("plugin",), [(("log",), audit.dropped)])
