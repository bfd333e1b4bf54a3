"""Regular expressions as Go has them: RE2, linear in time whatever a user writes, with Go's texts of errors."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_GO = {"missing ]": "missing closing ]", "missing )": "missing closing )", "unexpected )": "unexpected )"}


class RegexError(ValueError):
    """A pattern that is none; the text is Go's, without `error parsing regexp: `."""


@lru_cache(maxsize=2048)
def compile(pattern: str) -> Any:
    """The pattern, with the methods of `re`. Raises RegexError."""
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        found = error.args[0]
        what, _, where = (found.decode() if isinstance(found, bytes) else str(found)).partition(": ")
        what = _GO.get(what, what)
        raise RegexError(f"{what}: `{where}`" if where else what) from error
