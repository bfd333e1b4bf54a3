"""The JSONPath of printer columns and of kubectl: `.spec.list[?(@.name=="a")].value`, `{.a.b}`, `[0]`, `[*]`, `..`.

Kubernetes: k8s.io/client-go/util/jsonpath. A path that leads nowhere finds nothing; one that cannot be read is a
ValueError.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_STEP = re.compile(
    r"""\.\.(?P<deep>[\w-]+|\*)
      | \.(?P<name>(?:[^.\[\]\\'"\s]|\\.)+)
      | \[\s*(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*\]
      | \[\s*\?\((?P<filter>(?:[^()"']|"[^"]*"|'[^']*')*)\)\s*\]
      | \[\s*(?P<index>-?\d+)\s*\]
      | \[\s*(?P<slice>-?\d*:-?\d*(?::-?\d*)?)\s*\]
      | \[\s*(?P<all>\*)\s*\]""",
    re.VERBOSE,
)
_FILTER = re.compile(r"\s*(@[^=!<>]*?)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?))?\s*")


@dataclass(frozen=True, slots=True)
class _Filter:
    path: Path
    operator: str
    wanted: Any


@dataclass(frozen=True, slots=True)
class Path:
    """A path that was read; `find` gives what it leads to."""

    steps: tuple[tuple[str, Any], ...]

    def find(self, value: Any) -> list[Any]:
        """All values at the path, in their order."""
        found = [value]
        for kind, argument in self.steps:
            found = [below for one in found for below in _follow(kind, argument, one)]
        return found


@lru_cache(maxsize=1024)
def parse(text: str) -> Path:
    """Raises ValueError."""
    body = text.strip()
    if body.startswith("{") and body.endswith("}"):
        body = body[1:-1].strip()
    body = body.removeprefix("$")
    if body and body[0] not in ".[":
        body = f".{body}"
    steps: list[tuple[str, Any]] = []
    place = 0
    while place < len(body):
        if body[place:] == ".":
            break
        match = _STEP.match(body, place)
        if match is None:
            raise ValueError(f"unexpected text at {body[place:]!r}")
        steps.append(_step(match))
        place = match.end()
    return Path(tuple(steps))


def _step(match: re.Match[str]) -> tuple[str, Any]:
    kind = str(match.lastgroup)
    text = match[kind]
    if kind == "name":
        return ("all", None) if text == "*" else ("name", re.sub(r"\\(.)", r"\1", text))
    if kind == "quoted":
        return "name", re.sub(r"\\(.)", r"\1", text[1:-1])
    if kind == "index":
        return kind, int(text)
    if kind == "slice":
        return kind, slice(*(int(part) if part else None for part in text.split(":")))
    return (kind, _filter(text)) if kind == "filter" else (kind, text)


def _filter(text: str) -> _Filter:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot read the filter {text!r}")
    operand = match[3]
    if operand is None:
        return _Filter(parse(match[1].strip()[1:] or "."), "", None)
    wanted = operand[1:-1] if operand[0] in "'\"" else json.loads(operand)
    return _Filter(parse(match[1].strip()[1:] or "."), match[2], wanted)


def _follow(kind: str, argument: Any, value: Any) -> Iterator[Any]:
    if kind == "name":
        if isinstance(value, dict) and argument in value:
            yield value[argument]
    elif kind == "all":
        yield from value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    elif kind == "index":
        if isinstance(value, list) and -len(value) <= argument < len(value):
            yield value[argument]
    elif kind == "slice":
        yield from value[argument] if isinstance(value, list) else ()
    elif kind == "filter":
        yield from (item for item in value if _holds(argument, item)) if isinstance(value, list) else ()
    elif kind == "deep":
        yield from _deep(argument, value)


def _deep(name: str, value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        if name == "*":
            yield from value.values()
        elif name in value:
            yield value[name]
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _deep(name, below)


def _holds(condition: _Filter, item: Any) -> bool:
    found = condition.path.find(item)
    if not condition.operator:
        return bool(found)
    return any(_compare(one, condition.operator, condition.wanted) for one in found)


def _compare(value: Any, operator: str, wanted: Any) -> bool:
    if operator in ("==", "!="):
        return bool(value == wanted) is (operator == "==")
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | str)
        or isinstance(value, str) != isinstance(wanted, str)
    ):
        return False
    return bool({"<": value < wanted, ">": value > wanted, "<=": value <= wanted, ">=": value >= wanted}[operator])
