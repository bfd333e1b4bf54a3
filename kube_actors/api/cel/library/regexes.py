"""find and findAll, by RE2, which is what Go's regexp is too (k8s.io/apiserver/pkg/cel/library/regex.go)."""

from __future__ import annotations

from typing import Any

from kube_actors.api import regexes
from kube_actors.api.cel.library.functions import Function, FunctionError


def _compiled(pattern: str) -> Any:
    try:
        return regexes.compile(pattern)
    except regexes.RegexError as error:
        raise FunctionError(f"Illegal regex: {error}") from error


def _find(text: str, pattern: str) -> str:
    match = _compiled(pattern).search(text)
    return str(match[0]) if match is not None else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [match[0] for match in _compiled(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


FUNCTIONS = (
    Function("find", ("string", "string"), "string", _find),
    Function("findAll", ("string", "string"), "list<string>", _find_all),
    Function("findAll", ("string", "string", "int"), "list<string>", _find_all),
)
