"""Lists as sets: contains, equivalent, intersects (cel-go's ext.Sets)."""

from __future__ import annotations

from typing import Any

from kube_actors.api.cel.library.functions import Function


def _contains(items: list[Any], wanted: list[Any]) -> bool:
    return all(one in items for one in wanted)


def _equivalent(left: list[Any], right: list[Any]) -> bool:
    return _contains(left, right) and _contains(right, left)


def _intersects(left: list[Any], right: list[Any]) -> bool:
    return any(one in right for one in left)


_LISTS = ("list<dyn>", "list<dyn>")
FUNCTIONS = (
    Function("sets.contains", _LISTS, "bool", _contains, member=False),
    Function("sets.equivalent", _LISTS, "bool", _equivalent, member=False),
    Function("sets.intersects", _LISTS, "bool", _intersects, member=False),
)
