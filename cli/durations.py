"""Durations as Go writes them: 30s, 1m30s, 2h."""

from __future__ import annotations

import re

from .failure import usage

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(text: str) -> float:
    """The seconds of a duration; a plain number is seconds. Raises Failure."""
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(r"-?(\d+(\.\d+)?(ms|h|m|s))+", text):
        raise usage(f'invalid argument "{text}": time: invalid duration "{text}"')
    total = sum(float(number) * UNITS[unit] for number, _, unit in re.findall(r"(\d+(\.\d+)?)(ms|h|m|s)", text))
    return -total if text.startswith("-") else total
