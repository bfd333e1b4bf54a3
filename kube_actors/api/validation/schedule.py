"""The five fields of a cron schedule, and what is wrong with them in the words of robfig/cron."""

from __future__ import annotations

import re
import zoneinfo

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    (0, 6, {name: number for number, name in enumerate(_DAYS)}),
)
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_EVERY = "@every "
_NUMBER = re.compile(r"[+-]?[0-9]+")
_DURATION = re.compile(r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+|[+-]?0")


def error(text: str) -> str:
    """What is wrong with a schedule; empty for a valid one."""
    if not text:
        return "empty spec string"
    if text.startswith(("TZ=", "CRON_TZ=")):
        zone, _, text = text.partition("=")[2].partition(" ")
        if zone not in zoneinfo.available_timezones():
            return f"provided bad location {zone}: unknown time zone {zone}"
        text = text.strip()
    if text.startswith("@"):
        return _descriptor_error(text)
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for field, (low, high, words) in zip(fields, _FIELDS, strict=True):
        for part in filter(None, field.split(",")):
            try:
                _check_range(part, low, high, words)
            except ValueError as problem:
                return str(problem)
    return ""


def _descriptor_error(text: str) -> str:
    if text in _DESCRIPTORS:
        return ""
    if not text.startswith(_EVERY):
        return f"unrecognized descriptor: {text}"
    duration = text[len(_EVERY) :]
    if _DURATION.fullmatch(duration):
        return ""
    fault = "missing unit in" if _NUMBER.fullmatch(duration) else "invalid"
    return f'failed to parse duration {text}: time: {fault} duration "{duration}"'


def _check_range(part: str, low: int, high: int, words: dict[str, int]) -> None:
    """`*`, `1`, `1-5`, each with an optional `/2`. Raises ValueError with what is wrong."""
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


def _number(text: str, words: dict[str, int]) -> int:
    if text.lower() in words:
        return words[text.lower()]
    if not _NUMBER.fullmatch(text):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) < 0:
        raise ValueError(f"negative number ({int(text)}) not allowed: {text}")
    return int(text)
