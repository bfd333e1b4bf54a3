"""Pods that wait for a node, in three places.

                 add                     pop
    new pod ───────────> active ──────────────────> being planned ──> placed: gone from here
                 backoff over │ ^                         │
                              │ │ an event that may help, │ fits nowhere
                     backoff <┘ │ and its backoff is over v
                        ^       +──────────────── unschedulable
                        └───── an event that may help, but it failed just now; or the binding failed

-   active: by priority, then by age (PrioritySort).
-   backoff: one second after the first failure, twice as long after each, ten at most.
-   unschedulable: until an event that one of the plugins that rejected it waits for, or five minutes.
-   gated pods are in none of the three: a PreEnqueue plugin (SchedulingGates) keeps them out until they change.

Pure but for `ready`: the time is passed in.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from kube_actors.api import Obj
from kube_actors.scheduler.framework import ClusterEvent
from kube_actors.scheduler.pod import Pod

FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 10.0
LONGEST_WAIT = 300.0


@dataclass(slots=True, eq=False)
class _Entry:
    pod: Pod
    attempts: int = 0
    # When it last failed, and what it then waited for.
    failed: float = 0.0
    helps: ClusterEvent = ClusterEvent.NONE
    # Changes whenever the entry moves: what heaps still hold of an older place is skipped.
    place: int = field(default=0)

    def backoff_until(self) -> float:
        if not self.attempts:
            return 0.0
        return self.failed + min(FIRST_BACKOFF * 2.0 ** (self.attempts - 1), LONGEST_BACKOFF)


_Item = tuple[float, float, int, int, str]


class SchedulingQueue:
    """The pods by key, and where each of them is."""

    def __init__(self, admits: Callable[[Obj], bool]) -> None:
        self._admits = admits
        self._entries: dict[str, _Entry] = {}
        self._active: list[_Item] = []
        self._backoff: list[_Item] = []
        self._unschedulable: set[str] = set()
        self._planned: set[str] = set()
        self._gated: dict[str, Pod] = {}
        self._numbers = itertools.count(1)
        self._events = ClusterEvent.NONE
        # No pod has waited for LONGEST_WAIT before that time.
        self._flush_at = math.inf
        # Set while pop() may have something to give.
        self.ready = asyncio.Event()

    def __len__(self) -> int:
        """Pods without a node, gated ones and those being planned included."""
        return len(self._entries) + len(self._gated)

    def counts(self) -> dict[str, int]:
        """How many pods are where, as kube-scheduler's metric pending_pods names it."""
        waiting = len(self._unschedulable)
        backoff = sum(1 for item in self._backoff if self._current(item))
        planned = len(self._planned)
        active = len(self._entries) - waiting - backoff - planned
        return {
            "active": active,
            "backoff": backoff,
            "unschedulable": waiting,
            "gated": len(self._gated),
            "planned": planned,
        }

    def add(self, pod: Pod, now: float) -> None:
        """A pod without a node came, or changed. What changed in it may be what it waited for."""
        if not self._admits(pod.obj):
            self._forget(pod.key)
            self._gated[pod.key] = pod
            return
        self._gated.pop(pod.key, None)
        entry = self._entries.get(pod.key)
        if entry is None:
            self._entries[pod.key] = entry = _Entry(pod)
            self._activate(entry)
            return
        changed = entry.pod.shape is not pod.shape or entry.pod.priority != pod.priority
        entry.pod = pod
        if changed and pod.key in self._unschedulable:
            self._retry(entry, now)

    def remove(self, key: str) -> None:
        """The pod is gone, or has a node."""
        self._gated.pop(key, None)
        self._forget(key)

    def pop(self, limit: int, now: float) -> list[Pod]:
        """The next pods to plan, in order. Each must come back by `unschedulable`, `failed` or `remove`."""
        self._apply_events(now)
        while self._backoff and (self._backoff[0][0] <= now or not self._current(self._backoff[0])):
            item = heapq.heappop(self._backoff)
            if self._current(item):
                self._activate(self._entries[item[-1]])
        pods: list[Pod] = []
        while self._active and len(pods) < limit:
            item = heapq.heappop(self._active)
            if self._current(item):
                entry = self._entries[item[-1]]
                entry.place = next(self._numbers)
                entry.attempts += 1
                self._planned.add(entry.pod.key)
                pods.append(entry.pod)
        if not self._active:
            self.ready.clear()
        return pods

    def unschedulable(self, key: str, helps: ClusterEvent, now: float) -> None:
        """No node fits: wait for one of the events `helps`."""
        entry = self._returned(key)
        if entry is None:
            return
        entry.failed, entry.helps = now, helps
        self._unschedulable.add(key)
        self._flush_at = min(self._flush_at, now + LONGEST_WAIT)

    def failed(self, key: str, now: float) -> None:
        """It had a node but could not be bound: try again after its backoff."""
        entry = self._returned(key)
        if entry is not None:
            entry.failed = now
            self._retry(entry, now)

    def notice(self, event: ClusterEvent) -> None:
        """Something happened that may help. Taken into account, with others, at the next `pop`."""
        if event and self._unschedulable:
            self._events |= event
            self.ready.set()

    def wake_up_at(self) -> float | None:
        """When `pop` would have something that it has not now; None: not before an event."""
        earliest = min((item[0] for item in self._backoff[:1]), default=math.inf)
        if self._unschedulable:
            earliest = min(earliest, self._flush_at)
        return None if math.isinf(earliest) else earliest

    def _apply_events(self, now: float) -> None:
        events, self._events = self._events, ClusterEvent.NONE
        if not events and now < self._flush_at:
            return
        for key in list(self._unschedulable):
            entry = self._entries[key]
            if entry.helps & events or entry.failed + LONGEST_WAIT <= now:
                self._retry(entry, now)
        waiting = (self._entries[key].failed for key in self._unschedulable)
        self._flush_at = min(waiting, default=math.inf) + LONGEST_WAIT

    def _retry(self, entry: _Entry, now: float) -> None:
        self._unschedulable.discard(entry.pod.key)
        until = entry.backoff_until()
        if until <= now:
            self._activate(entry)
            return
        entry.place = next(self._numbers)
        heapq.heappush(self._backoff, (until, 0.0, entry.place, entry.place, entry.pod.key))
        # Whoever waits for `ready` has to look at the clock again.
        self.ready.set()

    def _activate(self, entry: _Entry) -> None:
        entry.place = next(self._numbers)
        pod = entry.pod
        heapq.heappush(self._active, (-pod.priority, pod.created, entry.place, entry.place, pod.key))
        self.ready.set()

    def _returned(self, key: str) -> _Entry | None:
        """An entry that was being planned; None where it was removed meanwhile."""
        self._planned.discard(key)
        return self._entries.get(key)

    def _current(self, item: _Item) -> bool:
        entry = self._entries.get(item[-1])
        return entry is not None and entry.place == item[-2]

    def _forget(self, key: str) -> None:
        self._entries.pop(key, None)
        self._unschedulable.discard(key)
        self._planned.discard(key)
