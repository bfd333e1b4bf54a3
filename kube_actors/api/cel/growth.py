"""How much larger than its inputs the value of an expression can be: what bounds the memory of an evaluation.

Loops are bounded by cel-cpp, but text that is doubled thirty times in a row (`cel.bind(a, s + s, cel.bind(b, a + a,
...))`, `[s].map(x, x + x).map(x, x + x)`) is not. The depth of the expression's nesting of loops and of its additions
says how often that can happen; honest rules stay far below the limit.
"""

from __future__ import annotations

import re

LIMIT = 20

_STRINGS = re.compile(r"""("{3}|'{3})(?:[^\\]|\\.)*?\1|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""", re.DOTALL)
_MULTIPLIES = re.compile(r"\bcel\.bind\s*\(|\.\s*(?:map|optMap|optFlatMap|replace|join|format)\s*\(")


def steps(expression: str) -> int:
    """An upper bound of how often the expression can double a value."""
    return len(_MULTIPLIES.findall(_STRINGS.sub("''", expression)))
