"""What a watch promises, as functions that check a recorded history (etcd: tests/robustness/validate).

A history is what one watcher received: batches in the order of their arrival. Each checker returns what is
wrong, in words, or nothing. Tests of every level use them; production does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from kube_actors.store.client_watch import EventBatch, StoreEvent

Checker = Callable[[Sequence[EventBatch]], list[str]]


def _all(history: Sequence[EventBatch]) -> list[StoreEvent]:
    return [event for batch in history for event in batch.events]


def ordered(history: Sequence[EventBatch]) -> list[str]:
    """Revisions never go back."""
    events = _all(history)
    return [
        f"revision {after.kv.mod_revision} came after {before.kv.mod_revision}"
        for before, after in pairwise(events)
        if after.kv.mod_revision < before.kv.mod_revision
    ]


def unique(history: Sequence[EventBatch]) -> list[str]:
    """No event comes twice."""
    seen: set[tuple[int, bytes]] = set()
    wrong = []
    for event in _all(history):
        name = event.kv.mod_revision, event.kv.key
        if name in seen:
            wrong.append(f"{event.kv.key!r} at revision {event.kv.mod_revision} came twice")
        seen.add(name)
    return wrong


def atomic(history: Sequence[EventBatch]) -> list[str]:
    """The events of one revision come in one batch."""
    wrong = []
    for before, after in pairwise(history):
        if before.events and after.events and before.events[-1].kv.mod_revision == after.events[0].kv.mod_revision:
            wrong.append(f"revision {after.events[0].kv.mod_revision} was split over two batches")
    return wrong


def bookmarkable(history: Sequence[EventBatch]) -> list[str]:
    """After a batch has said that a revision is reached, nothing of that revision or before comes."""
    wrong, reached = [], 0
    for batch in history:
        wrong += [
            f"revision {event.kv.mod_revision} came after progress to {reached}"
            for event in batch.events
            if event.kv.mod_revision <= reached
        ]
        reached = max(reached, batch.revision)
    return wrong


def resumable(start: int) -> Checker:
    """A watch from a revision shows nothing before it."""

    def check(history: Sequence[EventBatch]) -> list[str]:
        return [
            f"revision {event.kv.mod_revision} is before the start {start}"
            for event in _all(history)
            if event.kv.mod_revision < start
        ]

    return check


def reliable(expected: Sequence[tuple[int, bytes]]) -> Checker:
    """Every event that happened, (revision, key), has come."""

    def check(history: Sequence[EventBatch]) -> list[str]:
        got = {(event.kv.mod_revision, event.kv.key) for event in _all(history)}
        return [
            f"{key!r} at revision {revision} is missing" for revision, key in expected if (revision, key) not in got
        ]

    return check


def violations(history: Sequence[EventBatch], *more: Checker) -> list[str]:
    """What of the promises above the history breaks."""
    checkers: tuple[Checker, ...] = (ordered, unique, atomic, bookmarkable, *more)
    return [f"{checker.__name__}: {wrong}" for checker in checkers for wrong in checker(history)]
