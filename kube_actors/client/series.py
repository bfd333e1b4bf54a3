"""Events of the new sort, as the scheduler records them: a time, and a series once it happened again. Pure.

The rules of client-go's tools/events: the first and the second of its kind are written as they come. Later ones
are counted, and every six minutes the counts that grew are written; a series that was silent that long is over.

Where client-go compares resourceVersions and not the notes, this does the opposite: why a pod still waits is
told when it changes, and not told again because the pod did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kube_actors.aio.clock import rfc3339_micro
from kube_actors.api import Obj
from kube_actors.client.correlation import Occurrence, Recent, Recorded

FINISH_SECONDS = 360.0
# What the API server accepts.
NOTE_LIMIT = 1024
CUT = " ..."


@dataclass(slots=True, eq=False)
class Series(Recorded):
    """`written`: the count that the server has, or is about to have."""

    written: int = 1

    def create(self, name: str) -> Obj:
        """The Event as core/v1 shows one of events.k8s.io."""
        text = self.occurrence.message
        note = text if len(text) <= NOTE_LIMIT else text[: NOTE_LIMIT - len(CUT)] + CUT
        own = {"message": note, "action": self.occurrence.action, "eventTime": rfc3339_micro(self.first)}
        return self.head(name) | own | self.update()

    def update(self) -> Obj:
        """A merge patch that brings the Event up to date."""
        if self.count == 1:
            return {}
        return {"series": {"count": self.count, "lastObservedTime": rfc3339_micro(self.last)}}


class SeriesCorrelator:
    """Turns occurrences into Events of the new sort."""

    def __init__(self) -> None:
        self._series: Recent[Series] = Recent()

    def record(self, occurrence: Occurrence, now: float) -> Series | None:
        """The Event that has to be written now, if any."""
        key = (*occurrence.similar, occurrence.action, occurrence.message)
        known = self._series.get(key)
        if known is None:
            known = Series(occurrence, now, now)
            self._series.put(key, known)
            return known
        known.last = now
        known.count += 1
        if known.count > 2:
            return None
        known.written = known.count
        return known

    def due(self, now: float) -> Sequence[Series]:
        """The Events whose count grew since it was written; to be asked every `FINISH_SECONDS`."""
        grown = [each for each in self._series.values() if each.count > each.written]
        for each in grown:
            each.written = each.count
        self._series.keep(lambda each: each.last > now - FINISH_SECONDS)
        return grown
