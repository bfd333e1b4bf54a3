"""Durations as Go writes them: 30s, 1m30s, 2h."""

from __future__ import annotations

import re

from kube_actors.api import durations

from .failure import usage


def seconds(text: str) -> float:
    """The seconds of a duration; a plain number is seconds. Raises Failure."""
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    try:
        return durations.seconds(text)
    except ValueError as error:
        raise usage(f'invalid argument "{text}": {error}') from None
