"""Python's garbage collector in a process with millions of objects that live long.

A full collection looks at every object: about a second a million, in which the event loop stands still. But caches
are made of JSON, which has no cycles, and goes by reference counts alone. So what has survived a collection of the
middle generation is frozen, and no collection looks at it again. Cycles among frozen objects are found in the end,
too: when the collections have taken as long as `PATIENCE` whole ones, everything is thawed for the next one.
"""

from __future__ import annotations

import gc
import time

PATIENCE = 30.0
# Seconds that a whole collection is reckoned to take at least.
LEAST = 1.0
# Objects made, and not freed, between two collections of the youngest.
THRESHOLD = 10_000
YOUNGEST, OLDEST = 0, 2


class Collector:
    """Freezes what survives, from `start` to `stop`. One in a process."""

    def __init__(self) -> None:
        self._began = self._spent = 0.0
        self._whole = LEAST
        self._thawed = False
        self._thresholds = gc.get_threshold()

    def start(self) -> None:
        self._thresholds = gc.get_threshold()
        gc.set_threshold(THRESHOLD, *self._thresholds[1:])
        gc.callbacks.append(self._collected)

    def stop(self) -> None:
        """As it was before. May be called twice."""
        if self._collected in gc.callbacks:
            gc.callbacks.remove(self._collected)
            gc.set_threshold(*self._thresholds)
            gc.unfreeze()

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
            return
        took, generation = time.perf_counter() - self._began, info["generation"]
        self._spent += took
        if self._thawed and generation == OLDEST:
            self._whole, self._spent, self._thawed = max(took, LEAST), 0.0, False
        if self._thawed or generation == YOUNGEST:
            return
        if self._spent > self._whole * PATIENCE:
            self._thawed = True
            gc.unfreeze()
        else:
            gc.freeze()
