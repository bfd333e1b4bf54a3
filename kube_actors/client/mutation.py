"""Finds who changes a cached object: copies of what a cache holds, compared when it goes and at the end.

On where the environment variable KUBE_CACHE_MUTATION_DETECTOR is `true`, as in client-go; tests set it.
"""

from __future__ import annotations

import os

from kube_actors.api import Obj, encoding

VARIABLE = "KUBE_CACHE_MUTATION_DETECTOR"


class CacheMutated(AssertionError):
    """An object of a shared cache was changed by one of its readers."""


class MutationDetector:
    """Copies of objects by key. `changed()` names those that no longer look as they came."""

    def __init__(self) -> None:
        self._copies: dict[str, tuple[Obj, bytes]] = {}
        self._changed: dict[str, str] = {}

    @staticmethod
    def wanted() -> bool:
        return os.environ.get(VARIABLE) == "true"

    def put(self, key: str, obj: Obj) -> None:
        self._compare(key)
        self._copies[key] = (obj, encoding.dumps(obj))

    def drop(self, key: str) -> None:
        self._compare(key)
        self._copies.pop(key, None)

    def check(self) -> None:
        """Raises CacheMutated where a reader has changed what it was given."""
        for key in self._copies:
            self._compare(key)
        if self._changed:
            raise CacheMutated("\n".join(self._changed.values()))

    def _compare(self, key: str) -> None:
        if key not in self._copies:
            return
        obj, copy = self._copies[key]
        now = encoding.dumps(obj)
        if now != copy:
            self._changed[key] = f"the cached object {key} was changed\n  from {copy!r}\n  to   {now!r}"
