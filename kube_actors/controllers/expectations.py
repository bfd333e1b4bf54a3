"""Expectations: do not act on a cache that has not seen your own last writes.

A controller that created 3 pods and is synced again before its cache shows them would create 3 more. So it
notes what it expects to see, handlers lower the count as the cache shows it, and `satisfied` says whether the
cache may be believed.

    expect_creations("ns/a", 3)   satisfied: no
    creation_observed("ns/a") x3  satisfied: yes
    expect_deletions("ns/a", {u}) satisfied: no     deletion_observed("ns/a", u) -> yes

An expectation that is not met in TTL seconds lapses: a lost event delays a controller, it never stops it.
Same idea as ControllerExpectations and UIDTrackingControllerExpectations of k8s.io/kubernetes/pkg/controller.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kube_actors.aio.clock import Clock

TTL = 300.0


@dataclass(slots=True)
class _Expected:
    since: float
    creations: int = 0
    # By uid: one deletion is seen twice, as the deletionTimestamp appears and as the object goes.
    deletions: set[str] = field(default_factory=set)

    def fulfilled(self) -> bool:
        return self.creations <= 0 and not self.deletions


class Expectations:
    """What each key of one controller still has to see in its cache."""

    def __init__(self, clock: Clock, ttl: float = TTL) -> None:
        self._clock = clock
        self._ttl = ttl
        self._keys: dict[str, _Expected] = {}

    def satisfied(self, key: str) -> bool:
        """Whether a sync of `key` may act: everything was seen, or it lapsed, or nothing was expected."""
        expected = self._keys.get(key)
        if expected is None or expected.fulfilled():
            return True
        return self._clock.now() - expected.since > self._ttl

    def expect_creations(self, key: str, count: int) -> None:
        """Call before the first create is sent: its event may come before its answer."""
        self._keys[key] = _Expected(self._clock.now(), creations=count)

    def expect_deletions(self, key: str, uids: Iterable[str]) -> None:
        self._keys[key] = _Expected(self._clock.now(), deletions=set(uids))

    def expect(self, key: str, creations: int, deletions: Iterable[str]) -> None:
        """Both kinds at once; an expectation of one kind alone would replace that of the other."""
        self._keys[key] = _Expected(self._clock.now(), creations=creations, deletions=set(deletions))

    def creation_observed(self, key: str, count: int = 1) -> None:
        """The cache shows one, or it failed and will never be shown."""
        if (expected := self._keys.get(key)) is not None:
            expected.creations -= count

    def deletion_observed(self, key: str, uid: str) -> None:
        if (expected := self._keys.get(key)) is not None:
            expected.deletions.discard(uid)

    def forget(self, key: str) -> None:
        """The object of `key` is gone."""
        self._keys.pop(key, None)
