"""The cache of an informer: objects by key, and by the values of index functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set

from kube_actors.api import Obj
from kube_actors.api.meta import namespace_of

IndexFunction = Callable[[Obj], Iterable[str]]

# The index by namespace, which most listers want.
NAMESPACE = "namespace"


def by_namespace(obj: Obj) -> Iterable[str]:
    return (namespace_of(obj),)


class Indexer:
    """Objects by key; `index[name][value]` holds the objects for which that index function gives that value.

    What it gives out is shared: read-only by contract.
    """

    def __init__(self, functions: Mapping[str, IndexFunction]) -> None:
        self._functions = dict(functions)
        self._objects: dict[str, Obj] = {}
        self._indices: dict[str, dict[str, dict[str, Obj]]] = {name: {} for name in self._functions}

    def __len__(self) -> int:
        return len(self._objects)

    def add_index(self, name: str, function: IndexFunction) -> None:
        """Add an index, also over what is here already. A name has one function."""
        if name in self._functions:
            if self._functions[name] is not function:
                raise ValueError(f"the index {name} exists with another function")
            return
        self._functions[name] = function
        index = self._indices[name] = {}
        for key, obj in self._objects.items():
            for value in function(obj):
                index.setdefault(value, {})[key] = obj

    def get(self, key: str) -> Obj | None:
        return self._objects.get(key)

    def keys(self) -> Set[str]:
        """The keys, as a live view."""
        return self._objects.keys()

    def all(self) -> list[Obj]:
        return list(self._objects.values())

    def by_index(self, name: str, value: str) -> list[Obj]:
        """Raises KeyError for an index that does not exist."""
        return list(self._indices[name].get(value, {}).values())

    def index_values(self, name: str) -> list[str]:
        """The values that at least one object has."""
        return list(self._indices[name])

    def set(self, key: str, obj: Obj) -> Obj | None:
        """Put an object in; the one that it replaces."""
        old = self._objects.get(key)
        self._objects[key] = obj
        for name, function in self._functions.items():
            index = self._indices[name]
            values = set(function(obj))
            if old is not None:
                _drop(index, key, (value for value in function(old) if value not in values))
            for value in values:
                index.setdefault(value, {})[key] = obj
        return old

    def remove(self, key: str) -> Obj | None:
        """Take an object out; None where there is none."""
        old = self._objects.pop(key, None)
        if old is not None:
            for name, function in self._functions.items():
                _drop(self._indices[name], key, function(old))
        return old


def _drop(index: dict[str, dict[str, Obj]], key: str, values: Iterable[str]) -> None:
    for value in values:
        members = index.get(value)
        if members is not None and members.pop(key, None) is not None and not members:
            del index[value]
