"""Durations as Go writes and reads them: 30s, 1m30s, 1.5h, -2us (time.ParseDuration)."""

from __future__ import annotations

import re

UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]+")


def seconds(text: str) -> float:
    """The seconds of a duration. Raises ValueError in Go's words."""
    size = text[1:] if text[:1] in ("+", "-") else text
    if size == "0":
        return 0.0
    parts = _PART.findall(size)
    if not parts or "".join(number + unit for number, unit in parts) != size:
        fault = "missing unit in" if _NUMBER.fullmatch(text) else "invalid"
        raise ValueError(f'time: {fault} duration "{text}"')
    total = sum(float(number) * UNITS[unit] for number, unit in parts)
    return -total if text.startswith("-") else total
