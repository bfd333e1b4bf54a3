"""Cron schedules: five fields, descriptors, `@every`; in the local time of a zone, as robfig/cron has them. Pure.

Steps are made in real time and looked at in local time, as robfig/cron does: a time that the clocks skip in
spring does not come, one that they repeat in autumn comes twice.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from kube_actors.api import durations

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
_EVERY = "@every "
_NUMBER = re.compile(r"[+-]?[0-9]+")
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
    """Raises ValueError for what is no schedule, in robfig/cron's words."""
    if text.startswith(_EVERY):
        return Every(max(float(int(_every(text))), 1.0))
    fields = _DESCRIPTORS.get(text, text).split()
    if text.startswith("@") and text not in _DESCRIPTORS:
        raise ValueError(f"unrecognized descriptor: {text}")
    if len(fields) != len(_FIELDS):
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, hours, days, months, weekdays = (
        _values(field, *limits) for field, limits in zip(fields, _FIELDS, strict=True)
    )
    return Cron(minutes, hours, days, months, weekdays, any_day=_is_star(fields[2]) or _is_star(fields[4]))


def _every(text: str) -> float:
    try:
        return durations.seconds(text.removeprefix(_EVERY))
    except ValueError as error:
        raise ValueError(f"failed to parse duration {text}: {error}") from None


def _is_star(field: str) -> bool:
    """Whether a part of it is a star without a step: then the field does not restrict the day."""
    return any(part in ("*", "?", "*/1", "?/1") for part in field.split(","))


def _values(field: str, low: int, high: int, words: dict[str, int]) -> frozenset[int]:
    """Of the parts of a field between commas: which numbers fit."""
    found: set[int] = set()
    for part in filter(None, field.split(",")):
        found.update(_range(part, low, high, words))
    return frozenset(found)


def _range(part: str, low: int, high: int, words: dict[str, int]) -> range:
    """`*`, `1`, `1-5`, each with an optional `/2`."""
    ranged, *steps = part.split("/")
    first, *ends = ranged.split("-")
    if first in ("*", "?"):
        start, end = low, high
    else:
        start = end = _number(first, words)
        if len(ends) > 1:
            raise ValueError(f"too many hyphens: {part}")
        if ends:
            end = _number(ends[0], words)
    step = 1
    if len(steps) > 1:
        raise ValueError(f"too many slashes: {part}")
    if steps:
        step = _number(steps[0], {})
        end = end if ends else high
    if start < low:
        raise ValueError(f"beginning of range ({start}) below minimum ({low}): {part}")
    if end > high:
        raise ValueError(f"end of range ({end}) above maximum ({high}): {part}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {part}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {part}")
    return range(start, end + 1, step)


def _number(text: str, words: dict[str, int]) -> int:
    if text.lower() in words:
        return words[text.lower()]
    if not _NUMBER.fullmatch(text):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise ValueError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)
