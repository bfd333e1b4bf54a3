"""semver and isSemver (k8s.io/apiserver/pkg/cel/library/semverlib.go). Comparisons are with those of quantities."""

from __future__ import annotations

import re
from typing import Any

from kube_actors.api.cel.library.functions import Function, FunctionError, tagged, value_of

_PART = r"(0|[1-9][0-9]*)"
_SHAPE = re.compile(
    rf"{_PART}\.{_PART}\.{_PART}(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)


def _normalized(text: str) -> str:
    """`v1.2` as `1.2.0`: no leading v, no leading zeros, three parts (semver(text, true))."""
    core, dash, rest = text.removeprefix("v").partition("-")
    parts = [part.lstrip("0") or "0" for part in core.split(".")]
    return ".".join(parts + ["0"] * (3 - len(parts))) + dash + rest


def _semver(text: str, normalize: bool = False) -> dict[str, Any]:
    text = _normalized(text) if normalize else text
    if _SHAPE.fullmatch(text) is None:
        raise FunctionError(f'semver parse error during conversion from string: Invalid version "{text}"')
    return tagged("Semver", text)


def _is_semver(text: str, normalize: bool = False) -> bool:
    return _SHAPE.fullmatch(_normalized(text) if normalize else text) is not None


def _number(held: Any, place: int) -> int:
    match = _SHAPE.fullmatch(value_of(held))
    assert match is not None
    return int(match[place])


def _key(text: str) -> tuple[Any, ...]:
    match = _SHAPE.fullmatch(text)
    assert match is not None
    prerelease = match[4]
    if prerelease is None:
        return int(match[1]), int(match[2]), int(match[3]), 1, ()
    parts = tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in prerelease.split("."))
    return int(match[1]), int(match[2]), int(match[3]), 0, parts


def compare(left: str, right: str) -> int:
    """-1, 0 or 1, as semver.org's precedence says; build metadata does not count."""
    a, b = _key(left), _key(right)
    return (a > b) - (a < b)


FUNCTIONS = (
    Function("semver", ("string",), "Semver", _semver, member=False),
    Function("semver", ("string", "bool"), "Semver", _semver, member=False),
    Function("isSemver", ("string",), "bool", _is_semver, member=False),
    Function("isSemver", ("string", "bool"), "bool", _is_semver, member=False),
    Function("major", ("Semver",), "int", lambda held: _number(held, 1)),
    Function("minor", ("Semver",), "int", lambda held: _number(held, 2)),
    Function("patch", ("Semver",), "int", lambda held: _number(held, 3)),
)
