"""Comparing numbers of different types: `1 < 2.5`, `size(x) > 1u`, which Kubernetes allows.

cel-cpp compares them anyway; only its checker has to be told.
"""

from __future__ import annotations

from itertools import permutations

from kube_actors.api.cel.library.functions import Function

_NUMBERS = ("int", "uint", "double")
DECLARED_ONLY = tuple(
    Function(operator, pair, "bool", lambda left, right: left < right, member=False)
    for operator in ("_<_", "_<=_", "_>_", "_>=_")
    for pair in permutations(_NUMBERS, 2)
)
