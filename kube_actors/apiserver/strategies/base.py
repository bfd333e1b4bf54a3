"""What a kind may decide about the writes to its objects; the defaults suit most kinds.

Methods work on decoded objects, in place, without IO. What needs the store (allocated addresses and ports)
is in `begin_*`, which reserve and give back a `Reservation` that the registry keeps or undoes.
Kubernetes: the RESTCreateStrategy, RESTUpdateStrategy and RESTDeleteStrategy of k8s.io/apiserver.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj, errors, kinds, strategy
from kube_actors.api.kinds.kind import RestRules, Writer
from kube_actors.api.resources import Resource
from kube_actors.apiserver.registry.allocation import Allocators
from kube_actors.apiserver.request import DeleteOptions, User


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was taken for an object that is about to be written: `undo` when it was not, `release` when it was."""

    undo: Callable[[], Awaitable[None]]
    release: Callable[[], Awaitable[None]]


class Strategy:
    """The default rules, as `RestRules` tune them."""

    # How many seconds a written object lives; 0: until it is deleted.
    ttl_seconds = 0

    def __init__(self, resource: Resource, rules: RestRules) -> None:
        self.resource = resource
        self.rules = rules
        self._kind = kinds.of(resource)

    def stamp(self, new: Obj, old: Obj | None, user: User, now: float) -> None:
        """Put in what depends on who writes, and when."""
        if self._kind.stamp is not None:
            self._kind.stamp(new, old, Writer(rfc3339(int(now)), user.name, user.uid, user.groups))

    def refuse_deletion(self, name: str) -> None:
        """Raises Forbidden for an object that has to stay."""
        why = self._kind.undeletable(name) if self._kind.undeletable is not None else ""
        if why:
            text = f'{self.resource.qualified} "{name}" is forbidden: {why}'
            raise errors.Forbidden(text, group=self.resource.group, kind=self.resource.plural, name=name)

    def prepare_create(self, obj: Obj) -> None:
        """Drop what a creator may not say and set what only the server says."""
        strategy.prepare_create(self.resource, obj)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        """Take from `old` what an update of the main resource may not change; count the generation."""
        strategy.prepare_update(self.resource, new, old)

    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        """Take from `old` everything but the status and what metadata a status update may change."""
        strategy.prepare_status(self.resource, new, old)

    def prepare_view(self, view: str, new: Obj, old: Obj) -> None:
        """Take from `old` what a write through the kind's own subresource `view` may not change."""
        self._kind.views[view].prepare(new, old)

    def grace_seconds(self, obj: Obj, options: DeleteOptions) -> int | None:
        """How long a deleted object is given to end; None for a kind that goes at once."""
        return None

    def begins_deletion_by_itself(self, obj: Obj) -> bool:
        """Whether the first DELETE only marks the object (see namespaces)."""
        return False

    def mark_deleted(self, obj: Obj) -> None:
        """The object has begun to terminate by `begins_deletion_by_itself`."""

    def may_vanish(self, obj: Obj) -> bool:
        """Whether a terminating object without metadata.finalizers may be removed."""
        return True

    async def begin_create(self, obj: Obj, allocators: Allocators) -> Reservation | None:
        return None

    async def begin_update(self, new: Obj, old: Obj, allocators: Allocators) -> Reservation | None:
        return None

    async def after_delete(self, obj: Obj, allocators: Allocators) -> None:
        """The object is gone from the store."""
