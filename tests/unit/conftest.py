"""Unit tests watch the informers' caches: an object that a reader changed fails the test."""

from __future__ import annotations

import pytest

from kube_actors.client.mutation import VARIABLE


@pytest.fixture(autouse=True)
def caches_are_watched_for_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "true")
