"""The five fields of a cron schedule, and what is wrong with them in the words of robfig/cron."""

from __future__ import annotations

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


def error(text: str) -> str:
    """What is wrong with a schedule; empty for a valid one."""
    if text.startswith("@"):
        known = text in _DESCRIPTORS or text.startswith("@every ")
        return "" if known else f"unrecognized descriptor: {text}"
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for field, (low, high, words) in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            wrong = _range_error(part, low, high, words)
            if wrong:
                return wrong
    return ""


def _range_error(part: str, low: int, high: int, words: dict[str, int]) -> str:
    ranged, *steps = part.split("/")
    first, *ends = ranged.split("-")
    if len(steps) > 1:
        return f"too many slashes: {part}"
    if len(ends) > 1:
        return f"too many hyphens: {part}"
    if first in ("*", "?"):
        start, end = low, high
    else:
        try:
            start = _number(first, words)
            end = _number(ends[0], words) if ends else high if steps else start
        except ValueError as problem:
            return str(problem)
    if steps:
        if not steps[0].isdigit():
            return f'failed to parse int from {steps[0]}: strconv.Atoi: parsing "{steps[0]}": invalid syntax'
        if int(steps[0]) == 0:
            return f"step of range should be a positive number: {part}"
    if start < low:
        return f"beginning of range ({start}) below minimum ({low}): {part}"
    if end > high:
        return f"end of range ({end}) above maximum ({high}): {part}"
    return f"beginning of range ({start}) beyond end of range ({end}): {part}" if start > end else ""


def _number(text: str, words: dict[str, int]) -> int:
    if text.lower() in words:
        return words[text.lower()]
    if not text.isdigit():
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)
