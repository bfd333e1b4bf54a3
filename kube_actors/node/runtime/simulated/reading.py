"""Behaviours as a user writes them.

    default: {startSeconds: 0.5, failureRate: 0.01}
    rules:
      - labels: {app: worker}          # and container, image
        behaviour: {runSeconds: 30}
    sandboxSeconds: 0.2
    seed: 1
    capacity: {cpu: "32", memory: 128Gi}

What is wrong is one line that says where: `rules[0].behaviour.runSeconds: must be a number of at least 0, not -1`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kube_actors.api.errors import ConfigError
from kube_actors.api.quantity import canonical
from kube_actors.node.runtime.simulated.behaviour import Behaviour, Rule, SimulatedConfig

Read = Callable[[Any, str], Any]


def read_config(data: Any, where: str = "") -> SimulatedConfig:
    """Raises ConfigError. `where` is the key under which the data stands."""
    return SimulatedConfig(**_section(data, where, _CONFIG))


def _section(data: Any, where: str, known: Mapping[str, Read]) -> dict[str, Any]:
    """The values of a mapping by the names of the fields that they are for."""
    if not isinstance(data, Mapping):
        raise _wrong(where, f"must be a mapping, not {data!r}")
    found = {}
    for key, value in data.items():
        here = f"{where}.{key}" if where else str(key)
        if key not in known:
            raise _wrong(here, f"unknown key; allowed here: {', '.join(sorted(known))}")
        found[_snake(key)] = known[key](value, here)
    return found


def _number(least: float, most: float = float("inf"), *, whole: bool = False, optional: bool = False) -> Read:
    kinds, name = ((int,), "a whole number") if whole else ((int, float), "a number")
    span = f" from {least:g} to {most:g}" if most < float("inf") else f" of at least {least:g}" if least >= 0 else ""

    def read(value: Any, where: str) -> Any:
        if value is None and optional:
            return None
        if not isinstance(value, kinds) or isinstance(value, bool) or not least <= value <= most:
            raise _wrong(where, f"must be {name}{span}, not {value!r}")
        return value

    return read


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong(where, f"must be text, not {value!r}")
    return value


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, f"must be true or false, not {value!r}")
    return value


def _texts(value: Any, where: str) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(each, str) for pair in value.items() for each in pair):
        raise _wrong(where, f"must be a mapping of text to text, not {value!r}")
    return dict(value)


def _amounts(value: Any, where: str) -> dict[str, str]:
    amounts = _texts(value, where)
    for name, amount in amounts.items():
        try:
            canonical(amount)
        except ValueError as error:
            raise _wrong(f"{where}.{name}", f"must be an amount such as 4 or 16Gi, not {amount!r}") from error
    return amounts


def _behaviour(value: Any, where: str) -> Behaviour:
    return Behaviour(**_section(value, where, _BEHAVIOUR))


def _rules(value: Any, where: str) -> tuple[Rule, ...]:
    if not isinstance(value, list):
        raise _wrong(where, f"must be a list, not {value!r}")
    found = []
    for number, each in enumerate(value):
        here = f"{where}[{number}]"
        rule = _section(each, here, _RULE)
        if "behaviour" not in rule:
            raise _wrong(here, "needs a behaviour")
        found.append(Rule(**rule))
    return tuple(found)


_SECONDS, _AT_SOME_TIME = _number(0), _number(0, optional=True)
_CODE = _number(0, 255, whole=True)
_BEHAVIOUR: dict[str, Read] = {
    "startSeconds": _SECONDS,
    "pullSeconds": _SECONDS,
    "runSeconds": _AT_SOME_TIME,
    "exitCode": _CODE,
    "oomKilled": _flag,
    "failingRuns": _number(0, whole=True, optional=True),
    "failureRate": _number(0, 1),
    "failureSeconds": _SECONDS,
    "failureCode": _CODE,
    "startedAfter": _SECONDS,
    "readyAfter": _SECONDS,
    "unhealthyAfter": _AT_SOME_TIME,
    "stopSeconds": _SECONDS,
    "imageMissing": _flag,
    "log": _text,
    "cpuMilli": _number(0, whole=True),
    "memoryBytes": _number(0, whole=True),
}
_RULE: dict[str, Read] = {"labels": _texts, "container": _text, "image": _text, "behaviour": _behaviour}
_CONFIG: dict[str, Read] = {
    "default": _behaviour,
    "rules": _rules,
    "sandboxSeconds": _SECONDS,
    "seed": _number(float("-inf"), whole=True),
    "capacity": _amounts,
}


def _snake(key: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in key)


def _wrong(where: str, problem: str) -> ConfigError:
    return ConfigError(f"{where}: {problem}" if where else problem)
