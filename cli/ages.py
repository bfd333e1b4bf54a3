"""Times and ages as kubectl prints them."""

from __future__ import annotations

import datetime as dt

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api.tables.durations import duration_human


def age(stamp: str, now: float) -> str:
    """`5m12s` since a time; `<unknown>` where there is none."""
    if not stamp:
        return "<unknown>"
    return duration_human(max(0.0, now - parse_rfc3339(stamp)))


def full_time(stamp: str) -> str:
    """`Mon, 02 Jan 2006 15:04:05 +0000` in the local zone."""
    if not stamp:
        return "<unset>"
    moment = dt.datetime.fromtimestamp(parse_rfc3339(stamp), dt.UTC).astimezone()
    return moment.strftime("%a, %d %b %Y %H:%M:%S %z")
