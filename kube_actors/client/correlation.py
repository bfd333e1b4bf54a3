"""Which events are one: repeats are counted, similar ones combined, floods cut. Pure; the time is passed in.

The rules and numbers of client-go's tools/record events cache:

-   same source, object, type, reason and message: one Event whose count grows;
-   more than 10 messages for the rest of that key within 10 minutes: one Event whose message begins with
    "(combined from similar events): ";
-   per source and object a bucket of 25 events, refilled by one every 5 minutes: what is over is dropped.
"""

from __future__ import annotations

from collections import OrderedDict
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
    action: str = ""
    # The machine of the component that says so; empty where that is of no matter.
    host: str = ""

    @property
    def object(self) -> str:
        return dict(self.involved).get("uid", "") or str(self.involved)


@dataclass(slots=True, eq=False)
class Recorded:
    """An Event that exists, or is to be made, on the server. `name` is empty until it was created."""

    occurrence: Occurrence
    first: float
    last: float
    count: int = 1
    name: str = ""

    def create(self, name: str, component: str) -> Obj:
        """The Event object as core/v1 has it."""
        involved, host = dict(self.occurrence.involved), self.occurrence.host
        namespace = involved.get("namespace") or "default"
        event: Obj = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved,
            "reason": self.occurrence.reason,
            "message": self.occurrence.message,
            "source": {"component": component} | ({"host": host} if host else {}),
            "firstTimestamp": rfc3339(self.first),
            "lastTimestamp": rfc3339(self.last),
            "count": self.count,
            "type": self.occurrence.type,
            "reportingComponent": component,
            "reportingInstance": host,
        }
        return event | ({"action": self.occurrence.action} if self.occurrence.action else {})

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
        """The Event that has to be written now; None where the object's bucket is empty."""
        occurrence = self._combine(occurrence, now)
        if not self._allowed(occurrence, now):
            return None
        combined = occurrence.message.startswith(COMBINED)
        key = (*_key(occurrence), COMBINED if combined else occurrence.message)
        known = self._recorded.get(key)
        if known is None:
            known = Recorded(occurrence, now, now)
            self._recorded.put(key, known)
            return known
        known.occurrence = occurrence
        known.count += 1
        known.last = now
        return known

    def _combine(self, occurrence: Occurrence, now: float) -> Occurrence:
        key = _key(occurrence)
        similar = self._similar.get(key)
        if similar is None or now - similar.last > SIMILAR_SECONDS:
            similar = _Similar(now)
        similar.last = now
        self._similar.put(key, similar)
        # One more than the limit is enough to know.
        if occurrence.message not in similar.messages and len(similar.messages) < SIMILAR_LIMIT:
            similar.messages.add(occurrence.message)
        if len(similar.messages) < SIMILAR_LIMIT:
            return occurrence
        return replace(occurrence, message=COMBINED + occurrence.message)

    def _allowed(self, occurrence: Occurrence, now: float) -> bool:
        bucket = self._buckets.get(occurrence.object)
        if bucket is None:
            bucket = _Bucket(now)
            self._buckets.put(occurrence.object, bucket)
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.at) * REFILL_PER_SECOND)
        bucket.at = now
        if bucket.tokens < 1.0:
            return False
        bucket.tokens -= 1.0
        return True


def _key(occurrence: Occurrence) -> tuple[object, ...]:
    # Not the resourceVersion: what happens again to an object has happened to the same object.
    involved = tuple(item for item in occurrence.involved if item[0] != "resourceVersion")
    return (involved, occurrence.type, occurrence.reason, occurrence.action)
