"""The collector of a process with millions of objects."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from kube_actors.aio import collector
from kube_actors.aio.collector import Collector


class Cycle:
    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def started() -> Iterator[Collector]:
    one = Collector()
    one.start()
    yield one
    one.stop()


def test_what_survives_the_middle_generation_is_frozen(started: Collector) -> None:
    gc.collect(1)
    assert gc.get_freeze_count() > 1000


def test_young_cycles_are_collected(started: Collector) -> None:
    found = weakref.ref(Cycle())
    gc.collect(1)
    assert found() is None


def test_frozen_cycles_are_found_once_enough_time_was_spent(
    started: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    cycle = Cycle()
    gc.collect(1)
    found = weakref.ref(cycle)
    del cycle
    gc.collect()
    assert found() is not None
    monkeypatch.setattr(collector, "PATIENCE", 0.0)
    gc.collect(1)
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert found() is None


def test_it_freezes_again_after_a_whole_collection(started: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "PATIENCE", 0.0)
    gc.collect(1)
    monkeypatch.undo()
    gc.collect()
    assert gc.get_freeze_count() > 1000


def test_nothing_of_it_stays_after_the_end() -> None:
    before, callbacks = gc.get_threshold(), list(gc.callbacks)
    one = Collector()
    one.start()
    gc.collect(1)
    one.stop()
    one.stop()
    assert (gc.get_threshold(), gc.callbacks, gc.get_freeze_count()) == (before, callbacks, 0)
