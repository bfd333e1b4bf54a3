"""Times of a schedule that have come and were not served. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from kube_actors.api.cron import Schedule

# More missed times than this are told of.
MANY = 100


@dataclass(frozen=True, slots=True)
class Missed:
    """The last time that has come since some moment, and whether there were many before it."""

    last: float | None = None
    many: bool = False


def missed(schedule: Schedule, since: float, now: float, zone: dt.tzinfo) -> Missed:
    """The times after `since` that have come by `now`."""
    first = schedule.next(since, zone)
    if first is None or first > now:
        return Missed()
    last, count = first, 1
    while count <= MANY and (coming := schedule.next(last, zone)) is not None and coming <= now:
        last, count = coming, count + 1
    if count <= MANY:
        return Missed(last)
    # Too many to walk through: look back from now, further each time until there is one.
    back = 3600.0
    while (found := schedule.next(max(now - back, first), zone)) is None or found > now:
        if now - back <= first:
            found = last
            break
        back *= 2
    while (coming := schedule.next(found, zone)) is not None and coming <= now:
        found = coming
    return Missed(found, many=True)
