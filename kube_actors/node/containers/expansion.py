"""`$(VAR)` references in env values, commands and arguments, as third_party/forked/golang/expansion has them.

$(VAR)  the value, or left as it is where VAR is unknown
$$(VAR) the text $(VAR)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")


def expand(text: str, value_of: Callable[[str], str | None]) -> str:
    """Replace the references that `value_of` knows."""
    if "$" not in text:
        return text

    def replaced(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        value = value_of(match[2])
        return match[0] if value is None else value

    return _REFERENCE.sub(replaced, text)


def expand_all(texts: Iterable[str], values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(each, values.get) for each in texts)
