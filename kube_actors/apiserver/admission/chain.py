"""What a plugin is given, and the chain that runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from kube_actors.api import Obj
from kube_actors.api.resources import Resource
from kube_actors.apiserver.request import Target, User


class Operation(Enum):
    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    CONNECT = "CONNECT"


@dataclass(slots=True)
class Attributes:
    """One write on its way. `obj` is None for a deletion, `old` for a creation; `name` may be generated yet."""

    user: User
    target: Target
    operation: Operation
    obj: Obj | None
    old: Obj | None
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def resource(self) -> Resource:
        return self.target.resource

    @property
    def name(self) -> str:
        for source in (self.obj, self.old):
            if source is not None and source["metadata"].get("name"):
                return str(source["metadata"]["name"])
        return self.target.name


class Plugin(Protocol):
    """Raises an ApiError, Forbidden as a rule, to refuse."""

    async def admit(self, attributes: Attributes) -> None:
        """May change `attributes.obj` in place."""

    async def validate(self, attributes: Attributes) -> None:
        """May only refuse."""


class Lookup(Protocol):
    """Other objects, for plugins."""

    def cached(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        """As the cache has it."""

    async def read(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        """As the store has it."""

    def all(self, resource: Resource) -> list[Obj]:
        """All of a resource, as the cache has them. For resources of which there are few."""


class Chain:
    """The plugins in their order."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = tuple(plugins)

    async def admit(self, attributes: Attributes) -> None:
        for plugin in self._plugins:
            await plugin.admit(attributes)

    async def validate(self, attributes: Attributes) -> None:
        for plugin in self._plugins:
            await plugin.validate(attributes)
