"""Lists: isSorted, sum, min, max, indexOf, lastIndexOf (k8s.io/apiserver/pkg/cel/library/lists.go)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_actors.api.cel.library.functions import Function, FunctionError

_COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
_SUMMABLE = ("int", "uint", "double", "duration")


def _is_sorted(items: list[Any]) -> bool:
    return all(not items[i + 1] < items[i] for i in range(len(items) - 1))


def _sum(items: list[Any]) -> Any:
    return sum(items[1:], start=items[0]) if items else 0


def _extreme(name: str, choose: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    def chosen(items: list[Any]) -> Any:
        if not items:
            raise FunctionError(f"{name} called on empty list")
        return choose(items)

    return chosen


def _index_of(items: list[Any], wanted: Any) -> int:
    return items.index(wanted) if wanted in items else -1


def _last_index_of(items: list[Any], wanted: Any) -> int:
    return len(items) - 1 - items[::-1].index(wanted) if wanted in items else -1


def _each(name: str, types: tuple[str, ...], gives: str | None, run: Callable[..., Any]) -> list[Function]:
    return [Function(name, (f"list<{one}>",), gives or one, run) for one in types]


FUNCTIONS = (
    *_each("isSorted", _COMPARABLE, "bool", _is_sorted),
    *_each("sum", _SUMMABLE, None, _sum),
    *_each("min", _COMPARABLE, None, _extreme("min", min)),
    *_each("max", _COMPARABLE, None, _extreme("max", max)),
    Function("indexOf", ("list<dyn>", "dyn"), "int", _index_of),
    Function("lastIndexOf", ("list<dyn>", "dyn"), "int", _last_index_of),
)
