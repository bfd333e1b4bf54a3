"""What differs between two states of an object, as sets of fields. Kubernetes: structured-merge-diff's typed.Compare.

The states need not be valid: items of a list without their keys are left out, and of items that have the same key
only whether they differ is said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kube_actors.api.managed import fields
from kube_actors.api.managed.fields import LEAF, SELF, Fields
from kube_actors.api.managed.shapes import Kind, Shape

_MISSING: Any = object()


@dataclass(slots=True)
class Comparison:
    """Three sets that have nothing in common."""

    added: Fields = field(default_factory=dict)
    modified: Fields = field(default_factory=dict)
    removed: Fields = field(default_factory=dict)

    @property
    def is_same(self) -> bool:
        return not (self.added or self.modified or self.removed)

    def without(self, ignored: Fields) -> Comparison:
        """The same, as if nothing of `ignored` had been in the objects."""
        if not ignored:
            return self
        parts = (self.added, self.modified, self.removed)
        return Comparison(*(fields.without(part, ignored) for part in parts))


def compare(shape: Shape, old: Any, new: Any) -> Comparison:
    """The fields of `new` that `old` has not, has otherwise, and those that it no longer has."""
    found = Comparison()
    if old != new:
        _compare_maps(shape, old, new, found)
    return found


def everything(shape: Shape, value: Any) -> Fields:
    """The node of a value that is there as a whole: it and all that is in it."""
    if shape.is_leaf or not value:
        return LEAF
    if value.__class__ is dict:
        if shape.kind is Kind.LIST or shape.kind is Kind.SCALAR:
            return LEAF
        if shape.holds_leaves:
            return {SELF: LEAF, **{f"f:{name}": LEAF for name in value}}
        node: Fields = {SELF: LEAF}
        known = shape.known.get
        for name, item in value.items():
            found = known(name) or shape.child(name)
            if found is not None:
                key, inner = found
                node[key] = LEAF if inner.is_leaf or not item else everything(inner, item)
        return node
    if value.__class__ is list and shape.kind is Kind.LIST:
        return {SELF: LEAF, **_items(shape, value)}
    return LEAF


def _items(shape: Shape, items: list[Any]) -> Fields:
    """The nodes of a list's items; of those with the same key nothing more is said."""
    element = shape.element
    assert element is not None
    found: Fields = {}
    for item in items:
        try:
            key = shape.item_key(item)
        except ValueError:
            continue
        found[key] = LEAF if key in found else everything(element, item)
    return found


def _by_key(shape: Shape, items: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        try:
            key = shape.item_key(item)
        except ValueError:
            continue
        found.setdefault(key, []).append(item)
    return found


def _compare_maps(shape: Shape, old: dict[str, Any], new: dict[str, Any], found: Comparison) -> None:
    known = shape.known.get
    for name, value in new.items():
        before = old.get(name, _MISSING)
        if before == value:
            continue
        place = known(name) or shape.child(name)
        if place is None:
            continue
        key, inner = place
        if before is _MISSING:
            found.added[key] = LEAF if inner.is_leaf else everything(inner, value)
        else:
            _compare_values(key, inner, before, value, found)
    for name in old.keys() - new.keys():
        place = shape.child(name)
        if place is not None:
            found.removed[place[0]] = everything(place[1], old[name])


def _compare_values(key: str, shape: Shape, old: Any, new: Any, found: Comparison) -> None:
    """Two different values at one place; what is found below it is put under `key`."""
    if shape.is_leaf or (not old and not new):
        found.modified[key] = LEAF
        return
    below = Comparison()
    if _is_map(shape, old) and _is_map(shape, new):
        _compare_maps(shape, old or {}, new or {}, below)
    elif shape.kind is Kind.LIST and isinstance(old, list | None) and isinstance(new, list | None):
        _compare_lists(shape, old or [], new or [], below)
    else:
        _compare_kinds(shape, old, new, found, key)
        return
    for part, inner in ((found.added, below.added), (found.modified, below.modified), (found.removed, below.removed)):
        if inner:
            part[key] = inner


def _is_map(shape: Shape, value: Any) -> bool:
    return shape.kind in (Kind.MAP, Kind.ANY) and isinstance(value, dict | None)


def _compare_kinds(shape: Shape, old: Any, new: Any, found: Comparison, key: str) -> None:
    """A place whose kind is free had a map and has something else, or the other way round."""
    found.modified[key] = LEAF
    for value, part in ((old, found.removed), (new, found.added)):
        if isinstance(value, dict) and value:
            inner = {name: node for name, node in everything(shape, value).items() if name != SELF}
            part[key] = inner


def _compare_lists(shape: Shape, old: list[Any], new: list[Any], found: Comparison) -> None:
    element = shape.element
    assert element is not None
    if not old:
        found.added.update(_items(shape, new))
        return
    before, after = _by_key(shape, old), _by_key(shape, new)
    for key in {**before, **after}:
        olds, news = before.get(key, []), after.get(key, [])
        if olds == news:
            continue
        if len(olds) <= 1 and len(news) <= 1:
            if not olds:
                found.added[key] = everything(element, news[0])
            elif not news:
                found.removed[key] = everything(element, olds[0])
            else:
                _compare_values(key, element, olds[0], news[0], found)
        elif len(olds) >= 2 and len(news) >= 2:
            found.modified[key] = LEAF
        elif len(olds) >= 2:
            found.removed[key] = LEAF
            if news:
                found.added[key] = everything(element, news[0])
        else:
            found.added[key] = LEAF
            if olds:
                found.removed[key] = everything(element, olds[0])
