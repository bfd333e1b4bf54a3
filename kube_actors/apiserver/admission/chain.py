"""What a plugin is given, and the chain that runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from kube_actors.api import Obj, errors
from kube_actors.api.resources import Resource
from kube_actors.apiserver.admission.rounds import Rounds
from kube_actors.apiserver.request import DeleteOptions, Request, Target, User, WriteOptions

# How many different (operation, resource, subresource) the chain remembers its plugins for.
REMEMBERED = 10_000
NO_OPTIONS = WriteOptions()


class Operation(Enum):
    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"

    # Members are singletons, and keys of a table that every write looks into.
    __hash__ = object.__hash__


@dataclass(slots=True)
class Attributes:
    """One request on its way. `obj` is None for a deletion, `old` for a creation.

    A plugin's `admit` may change `obj` in place or put another in its place. `kind` is what the body is where that
    is not the resource's own kind: the Scale of `deployments/scale`, the Binding of `pods/binding`.
    """

    request: Request
    operation: Operation
    obj: Obj | None
    old: Obj | None
    options: WriteOptions | DeleteOptions = NO_OPTIONS
    kind: Resource | None = None
    _rounds: Rounds | None = None

    @property
    def user(self) -> User:
        return self.request.user

    @property
    def target(self) -> Target:
        return self.request.target

    @property
    def resource(self) -> Resource:
        return self.request.target.resource

    @property
    def rounds(self) -> Rounds:
        """Made for the first plugin that asks: most requests meet none."""
        if self._rounds is None:
            self._rounds = Rounds()
        return self._rounds

    @property
    def wants_second_round(self) -> bool:
        return self._rounds is not None and self._rounds.again

    @property
    def dry_run(self) -> bool:
        return self.options.dry_run

    @property
    def name(self) -> str:
        """As messages have it: a name that is not generated yet shows as its base."""
        if self.request.target.name:
            return self.request.target.name
        for source in (self.obj, self.old):
            meta = source.get("metadata") if source is not None else None
            if meta:
                return str(meta.get("name") or meta.get("generateName") or "Unknown")
        return "Unknown"

    def warn(self, text: str) -> None:
        """Tell the client, once."""
        self.request.warn(text)

    def annotate(self, key: str, value: str) -> None:
        """Put an annotation into the request's audit event."""
        self.request.audit_annotations.setdefault(key, value)

    def forbidden(self, reason: str) -> errors.Forbidden:
        """apimachinery's NewForbidden: `pods "a" is forbidden: REASON`."""
        resource, name = self.resource, self.name
        text = f'{resource.qualified} "{name}" is forbidden: {reason}'
        return errors.Forbidden(text, group=resource.group, kind=resource.plural, name=name)


class Plugin:
    """What plugins have by default. One that refuses raises an ApiError, `attributes.forbidden` as a rule."""

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        """Whether such requests may be of interest at all; asked once of each sort of request."""
        raise NotImplementedError

    async def admit(self, attributes: Attributes) -> None:
        """May change the object: runs before its validation."""

    async def validate(self, attributes: Attributes) -> None:
        """May only refuse: runs after the object was found valid."""


class Changes(Protocol):
    """Whoever makes something of objects lowers the flag, and makes it anew when it has risen; it rises first."""

    stale: bool


class Lookup(Protocol):
    """Other objects, for plugins. What it answers is shared: read-only."""

    def cached(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        """As the cache has it."""

    async def read(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        """As the store has it."""

    def changes(self, *resources: Resource) -> Changes:
        """A flag that rises with every change of these resources, as the cache has them."""

    def all(self, resource: Resource, namespace: str = "") -> list[Obj]:
        """All of a resource, or of a namespace's, as the cache has them. For resources of which there are few."""


async def find(lookup: Lookup, resource: Resource, name: str, namespace: str = "") -> Obj | None:
    """An object from the cache, or from the store where the cache may lag behind its creation."""
    found = lookup.cached(resource, namespace, name)
    return found if found is not None else await lookup.read(resource, namespace, name)


Key = tuple[Operation, Resource, str]


class Chain:
    """The plugins in their order. A request meets only those that it concerns and that override the step."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._admitting = tuple(one for one in plugins if type(one).admit is not Plugin.admit)
        self._validating = tuple(one for one in plugins if type(one).validate is not Plugin.validate)
        self._admits: dict[Key, tuple[Plugin, ...]] = {}
        self._validates: dict[Key, tuple[Plugin, ...]] = {}

    async def admit(self, attributes: Attributes) -> None:
        """Let the plugins change the object. Raises the first refusal."""
        target = attributes.request.target
        key = (attributes.operation, target.resource, target.subresource)
        plugins = self._admits.get(key)
        if plugins is None:
            plugins = _remember(self._admits, self._admitting, key)
        for plugin in plugins:
            await plugin.admit(attributes)
        if attributes.wants_second_round:
            attributes.rounds.number = 1
            for plugin in plugins:
                await plugin.admit(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Ask the plugins about the object as it will be written. Raises the first refusal."""
        target = attributes.request.target
        key = (attributes.operation, target.resource, target.subresource)
        plugins = self._validates.get(key)
        if plugins is None:
            plugins = _remember(self._validates, self._validating, key)
        for plugin in plugins:
            await plugin.validate(attributes)


def _remember(table: dict[Key, tuple[Plugin, ...]], plugins: tuple[Plugin, ...], key: Key) -> tuple[Plugin, ...]:
    if len(table) > REMEMBERED:
        table.clear()
    table[key] = tuple(one for one in plugins if one.concerns(*key))
    return table[key]
