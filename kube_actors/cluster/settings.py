"""Typed settings from YAML: unknown keys, wrong types and bad values are one clear line each.

A section is a frozen dataclass. A field's key in YAML is its name in camelCase, its type decides what is
read, and `setting()` says what values it takes. There is one error a run: the first.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from kube_actors.api.errors import ConfigError

T = TypeVar("T")
# Says what is wrong with a value, or None.
Check = Callable[[Any], str | None]

_NAMES = {int: "a whole number", str: "text", bool: "true or false"}


def setting(default: Any, *, choices: tuple[Any, ...] = (), check: Check | None = None) -> Any:
    """A field of a section: its default, and which values are allowed."""
    return dataclasses.field(default=default, metadata={"choices": choices, "check": check})


def between(low: int, high: int) -> Check:
    def check(value: Any) -> str | None:
        return None if low <= value <= high else f"must be from {low} to {high}"

    return check


PORT = between(0, 65535)
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def seconds(text: str) -> float:
    """The seconds of a duration such as 1h30m. Raises ValueError."""
    if not re.fullmatch(r"(\d+[dhms])+", text):
        raise ValueError("is no duration; write 30s, 15m, 1h or 1d")
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([dhms])", text))


def read(cls: type[T], content: Any, source: str, path: str = "") -> T:
    """A section from what YAML gave. Raises ConfigError: `SOURCE: KEY: what is wrong`."""
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise _error(source, path, f"must be a mapping, not {_describe(content)}")
    fields = {camel(field.name): field for field in dataclasses.fields(typing.cast(Any, cls))}
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for key, value in content.items():
        where = f"{path}.{key}" if path else str(key)
        if key not in fields:
            raise _error(source, where, f"unknown key; allowed here: {', '.join(sorted(fields))}")
        field = fields[key]
        values[field.name] = _value(hints[field.name], field, value, source, where)
    return cls(**values)


def camel(name: str) -> str:
    """`pod_cidr` -> `podCIDR`, `num_cpus` -> `numCpus`, `image_gc_period` -> `imageGCPeriod`."""
    head, *rest = name.split("_")
    return head + "".join(part.upper() if part in ("cidr", "gc") else part.capitalize() for part in rest)


def _value(hint: Any, field: dataclasses.Field[Any], value: Any, source: str, where: str) -> Any:
    # Of what is not a section of ours: it gets what YAML gave and the key, with which its ConfigError begins.
    reader = field.metadata.get("reader")
    if reader is not None:
        try:
            return reader({} if value is None else value, where)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from error
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return read(hint, value, source, where)
    if isinstance(hint, types.GenericAlias) and typing.get_origin(hint) is dict:
        value, hint = _labels(value, source, where), dict
    if isinstance(hint, types.GenericAlias) and typing.get_origin(hint) is tuple:
        value, hint = _texts(value, source, where), tuple
    # bool is an int in Python, but not for who writes a config.
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise _error(source, where, f"must be {_NAMES[hint]}, not {_describe(value)}")
    choices = field.metadata.get("choices") or ()
    if choices and value not in choices:
        raise _error(source, where, f"{value!r} is not supported; allowed: {', '.join(map(str, choices))}")
    check = field.metadata.get("check")
    problem = check(value) if check else None
    if problem:
        raise _error(source, where, f"{_describe(value)} {problem}")
    return value


def _labels(value: Any, source: str, where: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise _error(source, where, f"must be a mapping of text to text, not {_describe(value)}")
    return value


def _texts(value: Any, source: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise _error(source, where, f"must be a list of texts, not {_describe(value)}")
    return tuple(value)


def _describe(value: Any) -> str:
    return re.sub(r"\s+", " ", repr(value))[:60]


def _error(source: str, where: str, problem: str) -> ConfigError:
    return ConfigError(f"{source}: {where}: {problem}" if where else f"{source}: {problem}")
