"""Cron schedules: five fields, descriptors, `@every`; in the local time of a zone. Pure.

Steps are made in real time and looked at in local time, as robfig/cron does: a time that the clocks skip in
spring does not come, one that they repeat in autumn comes twice.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    (0, 6, {name: number for number, name in enumerate(_DAYS)}),
)
_DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_YEARS = 5  # without a match in them, there is none: 30 February
MINUTE = dt.timedelta(minutes=1)


class Schedule(Protocol):
    def next(self, after: float, zone: dt.tzinfo) -> float | None:
        """The first time after `after`, both in seconds since the epoch; None where there is none."""


@dataclass(frozen=True, slots=True)
class Every:
    """Every so many seconds, whatever the clock says."""

    seconds: float

    def next(self, after: float, zone: dt.tzinfo) -> float | None:
        return float(int(after + self.seconds))


@dataclass(frozen=True, slots=True)
class Cron:
    """The five fields. `any_day`: one of the two day fields is a star, so that both have to match."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool

    def next(self, after: float, zone: dt.tzinfo) -> float | None:
        at = dt.datetime.fromtimestamp(after, dt.UTC).replace(second=0, microsecond=0) + MINUTE
        end = at + dt.timedelta(days=366 * _YEARS)
        while at < end:
            local = at.astimezone(zone)
            if local.month not in self.months or not self._is_day(local):
                at = _next_day(local)
            elif local.hour not in self.hours:
                at += dt.timedelta(minutes=60 - local.minute)
            elif local.minute not in self.minutes:
                at += MINUTE
            else:
                return at.timestamp()
        return None

    def _is_day(self, local: dt.datetime) -> bool:
        day, weekday = local.day in self.days, local.isoweekday() % 7 in self.weekdays
        return day and weekday if self.any_day else day or weekday


def _next_day(local: dt.datetime) -> dt.datetime:
    """The first minute of the next day, which is not always 0:00."""
    midnight = (local.replace(hour=0, minute=0, fold=0, tzinfo=None) + dt.timedelta(days=1)).replace(
        tzinfo=local.tzinfo
    )
    at = midnight.astimezone(dt.UTC)
    while at.astimezone(local.tzinfo).date() <= local.date():
        at += MINUTE
    return at


@lru_cache(maxsize=1024)
def parse(text: str) -> Schedule:
    """Raises ValueError for what is no schedule."""
    if text.startswith("@every "):
        return Every(max(float(int(_seconds(text.removeprefix("@every ")))), 1.0))
    fields = _DESCRIPTORS.get(text, text).split()
    if text.startswith("@") and text not in _DESCRIPTORS:
        raise ValueError(f"unrecognized descriptor: {text}")
    if len(fields) != len(_FIELDS):
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = (
        _values(field, *limits) for field, limits in zip(fields, _FIELDS, strict=True)
    )
    return Cron(minutes, hours, days, months, weekdays, any_day=_is_star(fields[2]) or _is_star(fields[4]))


def _is_star(field: str) -> bool:
    """Whether a part of it is a star without a step: then the field does not restrict the day."""
    return any(part in ("*", "?", "*/1", "?/1") for part in field.split(","))


def _values(field: str, low: int, high: int, words: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in filter(None, field.split(",")):
        ranged, slash, step = part.partition("/")
        first, dash, last = ranged.partition("-")
        if first in ("*", "?"):
            start, end = low, high
        else:
            start = _number(first, words)
            end = _number(last, words) if dash else high if slash else start
        width = _number(step, {}) if slash else 1
        if not low <= start <= end <= high or width == 0:
            raise ValueError(f"not a range within {low} and {high}: {part}")
        found.update(range(start, end + 1, width))
    return frozenset(found)


def _number(text: str, words: dict[str, int]) -> int:
    number = words.get(text.lower())
    if number is not None:
        return number
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"failed to parse int from {text}")
    return int(digits)


def _seconds(text: str) -> float:
    size = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    if size == "0":
        return 0.0
    parts = _DURATION.findall(size)
    if not parts or "".join(number + unit for number, unit in parts) != size:
        raise ValueError(f"failed to parse duration @every {text}")
    return (-1 if text.startswith("-") else 1) * sum(float(number) * _UNITS[unit] for number, unit in parts)


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
