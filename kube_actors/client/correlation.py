"""Which events are one: repeats are counted, similar ones combined, floods cut. Pure; the time is passed in.

The rules and numbers of client-go's tools/record events cache. A source is a component on a host.

-   same source, object, part of it, type, reason and message: one Event whose count grows;
-   from the tenth message of one source, object, type and reason within 10 minutes on, new messages are one
    Event, which begins with "(combined from similar events): "; the nine before it keep their own;
-   per source and object a bucket of 25 events, refilled by one every 5 minutes. What is over is not written,
    but counted: the next that is allowed tells how many they were.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj

CACHE_SIZE = 4096
SIMILAR_LIMIT = 10
SIMILAR_SECONDS = 600.0
BURST = 25.0
REFILL_PER_SECOND = 1.0 / 300.0
COMBINED = "(combined from similar events): "

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Something that happened to an object."""

    involved: tuple[tuple[str, str], ...]
    type: str
    reason: str
    message: str
    # What was done or tried; Events of the new sort alone tell it.
    action: str = ""
    # Who says so, and on which machine; no host where that is of no matter.
    component: str = ""
    host: str = ""

    @property
    def about(self) -> tuple[object, ...]:
        """The source and the object, whatever part of it and at whatever version."""
        involved = tuple(item for item in self.involved if item[0] not in ("resourceVersion", "fieldPath"))
        return (self.component, self.host, involved)

    @property
    def similar(self) -> tuple[object, ...]:
        """What occurrences have in common that differ in their message alone."""
        return (*self.about, self.type, self.reason)


@dataclass(slots=True, eq=False)
class Recorded:
    """An Event that exists, or is to be made, on the server. `name` is empty until it was created."""

    occurrence: Occurrence
    first: float
    last: float
    count: int = 1
    name: str = ""

    def create(self, name: str) -> Obj:
        """The Event object as core/v1 has it."""
        component, host = self.occurrence.component, self.occurrence.host
        source = {"component": component} | ({"host": host} if host else {})
        return self.head(name) | {"source": source, "firstTimestamp": rfc3339(self.first)} | self.update()

    def head(self, name: str) -> Obj:
        """What never changes of the Event, whichever of the two sorts it is of."""
        occurrence = self.occurrence
        involved = dict(occurrence.involved)
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": involved.get("namespace") or "default"},
            "involvedObject": involved,
            "reason": occurrence.reason,
            "type": occurrence.type,
            "reportingComponent": occurrence.component,
            "reportingInstance": occurrence.host,
        }

    def update(self) -> Obj:
        """A merge patch that brings the Event up to date."""
        return {
            "count": self.count,
            "lastTimestamp": rfc3339(self.last),
            "message": self.occurrence.message,
        }


class Recent(Generic[T]):
    """A dict that forgets the entries used longest ago."""

    def __init__(self, size: int = CACHE_SIZE) -> None:
        self._size = size
        self._entries: OrderedDict[object, T] = OrderedDict()

    def get(self, key: object) -> T | None:
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def put(self, key: object, value: T) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def values(self) -> list[T]:
        return list(self._entries.values())

    def keep(self, wanted: Callable[[T], bool]) -> None:
        """Forget the entries that are not wanted."""
        self._entries = OrderedDict(item for item in self._entries.items() if wanted(item[1]))


@dataclass(slots=True)
class _Similar:
    last: float
    messages: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Bucket:
    at: float
    tokens: float = BURST


class Correlator:
    """Turns occurrences into Events to write."""

    def __init__(self) -> None:
        self._recorded: Recent[Recorded] = Recent()
        self._similar: Recent[_Similar] = Recent()
        self._buckets: Recent[_Bucket] = Recent()

    def record(self, occurrence: Occurrence, now: float) -> Recorded | None:
        """The Event that has to be written now; None where the object's bucket is empty, and it is counted alone."""
        occurrence, key = self._combine(occurrence, now)
        known = self._recorded.get(key)
        if known is None:
            known = Recorded(occurrence, now, now)
            self._recorded.put(key, known)
        else:
            known.occurrence, known.last = occurrence, now
            known.count += 1
        return known if self._allowed(occurrence, now) else None

    def due(self, now: float) -> Sequence[Recorded]:
        """Events to write though nothing has happened: none."""
        return ()

    def _combine(self, occurrence: Occurrence, now: float) -> tuple[Occurrence, tuple[object, ...]]:
        """What to record, and by which key it is known."""
        key, message = occurrence.similar, occurrence.message
        similar = self._similar.get(key)
        if similar is None or now - similar.last > SIMILAR_SECONDS:
            similar = _Similar(now)
        similar.last = now
        self._similar.put(key, similar)
        if message not in similar.messages and len(similar.messages) == SIMILAR_LIMIT - 1:
            return replace(occurrence, message=COMBINED + message), key
        similar.messages.add(message)
        return occurrence, (*key, dict(occurrence.involved).get("fieldPath", ""), message)

    def _allowed(self, occurrence: Occurrence, now: float) -> bool:
        bucket = self._buckets.get(occurrence.about)
        if bucket is None:
            bucket = _Bucket(now)
            self._buckets.put(occurrence.about, bucket)
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.at) * REFILL_PER_SECOND)
        bucket.at = now
        if bucket.tokens < 1.0:
            return False
        bucket.tokens -= 1.0
        return True
