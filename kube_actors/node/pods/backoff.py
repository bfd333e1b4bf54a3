"""How long to wait before a container is started again, as values.

Kubernetes: 10 s, doubled with every further restart up to 5 minutes, forgotten when the container ran for
longer than 10 minutes. The first restart happens at once; the delay counts from the end of the last run.

    run 1 ends t=0    -> restart at 0        entry: 10 s
    run 2 ends t=1    -> restart at 1 + 10   entry: 20 s
    run 3 ends t=12   -> restart at 12 + 20  entry: 40 s ...
"""

from __future__ import annotations

from dataclasses import dataclass

INITIAL = 10.0
MAXIMUM = 300.0


@dataclass(frozen=True, slots=True)
class BackoffEntry:
    """The delay that holds for the next attempt, and when it was decided."""

    delay: float
    updated_at: float


def expired(entry: BackoffEntry, event_at: float) -> bool:
    """Whether what happened at `event_at` comes so late that the past is forgiven."""
    return event_at - entry.updated_at > 2 * MAXIMUM


def ready_at(entry: BackoffEntry | None, event_at: float) -> float:
    """When the next attempt may be made after the failure at `event_at`."""
    if entry is None or expired(entry, event_at):
        return event_at
    return event_at + entry.delay


def advanced(entry: BackoffEntry | None, event_at: float, now: float) -> BackoffEntry:
    """The entry after another attempt, made now, on account of the failure at `event_at`."""
    if entry is None or expired(entry, event_at):
        return BackoffEntry(INITIAL, now)
    return BackoffEntry(min(entry.delay * 2, MAXIMUM), now)


def duration(seconds: float) -> str:
    """As Go prints it: `10s`, `1m20s`, `5m0s`."""
    whole = int(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60}s"
