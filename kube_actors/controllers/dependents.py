"""Handlers for the objects that a controller owns: from a dependent's event to its owners' keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from kube_actors.api import Obj
from kube_actors.api.meta import controller_of, is_deleting, key_of, labels_of, make_key, namespace_of, uid_of
from kube_actors.api.resources import Resource
from kube_actors.client.informer import Informer


class Watcher(Protocol):
    """What may have to be noted besides enqueueing: `Expectations` fits."""

    def creation_observed(self, key: str, count: int = 1) -> None: ...

    def deletion_observed(self, key: str, uid: str) -> None: ...


class DependentHandler:
    """Enqueues the controller of a dependent; for an orphan, all owners that may want to adopt it.

    `matches(owner, dependent)` says whether an owner selects a dependent.
    """

    def __init__(
        self,
        resource: Resource,
        owners: Informer,
        matches: Callable[[Obj, Obj], bool],
        enqueue: Callable[[str], None],
        expectations: Watcher | None = None,
    ) -> None:
        self._resource = resource
        self._owners = owners
        self._matches = matches
        self._enqueue = enqueue
        self._expectations = expectations

    def owner_of(self, obj: Obj) -> Obj | None:
        """The owner that controls `obj`, if it is of the right kind and still the same object."""
        ref = controller_of(obj)
        if ref is None or ref.get("kind") != self._resource.kind:
            return None
        if str(ref.get("apiVersion", "")).rpartition("/")[0] != self._resource.group:
            return None
        owner = self._owners.get(make_key(namespace_of(obj), ref["name"]))
        return owner if owner is not None and uid_of(owner) == ref.get("uid") else None

    def on_add(self, obj: Obj, is_initial: bool) -> None:
        if is_deleting(obj):
            self.on_delete(obj)
        elif (owner := self.owner_of(obj)) is not None:
            if self._expectations is not None:
                self._expectations.creation_observed(key_of(owner))
            self._enqueue(key_of(owner))
        else:
            self._enqueue_candidates(obj)

    def on_update(self, old: Obj, new: Obj) -> None:
        if uid_of(old) != uid_of(new):
            self.on_delete(old)
            self.on_add(new, False)
            return
        relabelled = labels_of(old) != labels_of(new)
        if is_deleting(new):
            self.on_delete(new)
            if relabelled:
                self.on_delete(old)
            return
        moved = controller_of(old) != controller_of(new)
        if moved and (before := self.owner_of(old)) is not None:
            self._enqueue(key_of(before))
        if (owner := self.owner_of(new)) is not None:
            self._enqueue(key_of(owner))
        elif relabelled or moved:
            self._enqueue_candidates(new)

    def on_delete(self, obj: Obj) -> None:
        if (owner := self.owner_of(obj)) is not None:
            if self._expectations is not None:
                self._expectations.deletion_observed(key_of(owner), uid_of(obj))
            self._enqueue(key_of(owner))

    def candidates(self, obj: Obj) -> Iterable[Obj]:
        """Owners in the same namespace that select an orphan."""
        if controller_of(obj) is not None:
            return
        for owner in self._owners.list(namespace_of(obj)):
            if self._matches(owner, obj):
                yield owner

    def _enqueue_candidates(self, obj: Obj) -> None:
        for owner in self.candidates(obj):
            self._enqueue(key_of(owner))
