"""Compiling and evaluating expressions: see the package for what is promised."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext.ext_bindings import ExtBindings
from cel_expr_python.ext.ext_math import ExtMath
from cel_expr_python.ext.ext_optional import ExtOptional
from cel_expr_python.ext.ext_strings import ExtStrings

from kube_actors.api.cel import growth, structs, syntax
from kube_actors.api.cel.declare import HOLDER, Declarations
from kube_actors.api.cel.errors import CompileError, CostExceeded, compile_error, evaluation_error
from kube_actors.api.cel.library import DECLARED_ONLY, FUNCTIONS
from kube_actors.api.cel.library.functions import checked_extension, running_extension
from kube_actors.api.cel.loading import loaded
from kube_actors.api.cel.syntax import Expr
from kube_actors.api.cel.types import Type

_STANDARD = [ExtBindings(), ExtMath(), ExtOptional(), ExtStrings()]
_CHECKED = [*_STANDARD, checked_extension((*FUNCTIONS, *DECLARED_ONLY))]
_RUNNING = cel.NewEnv(extensions=[*_STANDARD, running_extension(FUNCTIONS)])
_TOO_COSTLY = "operation cancelled: actual cost limit exceeded"
_MAX_CODE_POINTS = 100_000


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression; evaluating it changes nothing, so it may be shared."""

    expression: str
    type: str
    """`bool`, `int`, `string`, `list`, `map`, `null_type`, ... or `dyn` where it is not known; messages by name."""
    tree: Expr = field(repr=False, compare=False)
    """The expression as it was parsed."""
    _compiled: cel.Expression = field(repr=False, compare=False)
    _optionals: tuple[str, ...] = ()

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """The value for these variables, plain JSON on both sides.

        An optional variable that is None or left out is absent. Raises EvaluationError, and CostExceeded for an
        evaluation that was given up.
        """
        data = {name: value for name, value in variables.items() if name not in self._optionals}
        if self._optionals:
            data[HOLDER] = {name: variables[name] for name in self._optionals if variables.get(name) is not None}
        try:
            result = self._compiled.eval(data=data)
            if result.type() == cel.Type.ERROR:
                raise evaluation_error(str(result.value()))
            return _plain(result.plain_value())
        except (RuntimeError, TypeError) as error:  # cel-cpp's refusals; a TypeError is a result with no JSON form
            if "Iteration budget exceeded" in str(error):
                raise CostExceeded(_TOO_COSTLY) from error
            raise evaluation_error(str(error)) from error


def compile(expression: str, variables: Mapping[str, Type], *, constructs: bool = False) -> Program:
    """Check `expression` against the types of its variables. `constructs` allows `Object{...}` and `JSONPatch{...}`.

    Raises CompileError with Kubernetes' text.
    """
    return _compile(expression, tuple(variables.items()), constructs)


@lru_cache(maxsize=4096)
def _compile(expression: str, variables: tuple[tuple[str, Type], ...], constructs: bool) -> Program:
    _refuse_text(expression)
    made = structs.find(expression) if constructs else structs.Structs(expression, expression)
    optionals = tuple(name for name, declared in variables if declared.kind == "optional")
    flat = {name: frozenset(fields) for name, fields in made.fields.items()}
    environment = _environment(variables, tuple(flat.items()))
    opening = "".join(f"cel.bind({name}, {HOLDER}.?{name}, " for name in optionals)
    closing = _closing(len(optionals))
    if opening and not constructs:
        _check_syntax(expression)
    try:
        checked = environment.compile(f"{opening}{made.checked}{closing}")
    except RuntimeError as error:  # cel-cpp's refusal of the expression
        raise compile_error(made.original(str(error)), before=opening, after=closing) from error
    opening = "".join(
        f"cel.bind({name}, {loaded(declared, name)}, " for name, declared in variables if _loads(declared)
    )
    opening += "".join(f"cel.bind({name}, {HOLDER}.?{name}, " for name in optionals)
    running = _RUNNING.compile(f"{opening}{made.running}{_closing(opening.count('cel.bind('))}", disable_check=True)
    tree = syntax.tree(_RUNNING.compile(made.running, disable_check=True).serialize())
    if growth.copies(tree) > growth.LIMIT:
        raise CompileError("compilation failed: the expression multiplies its inputs without limit")
    return Program(expression, _type_name(checked.return_type()), tree, running, optionals)


@lru_cache(maxsize=256)
def _environment(
    variables: tuple[tuple[str, Type], ...], constructed: tuple[tuple[str, frozenset[str]], ...]
) -> cel.Env:
    declared = Declarations(dict(variables), dict(constructed))
    return cel.NewEnv(declared.pool, variables=declared.variables, extensions=_CHECKED)


def _check_syntax(expression: str) -> None:
    """Of the expression alone, so that the error's place is right. Raises CompileError."""
    try:
        _RUNNING.compile(expression, disable_check=True)
    except RuntimeError as error:  # cel-cpp's refusal of the expression
        raise compile_error(str(error)) from error


def _closing(count: int) -> str:
    """On a line of its own: the expression may end with a comment."""
    return "\n" + ")" * count if count else ""


def _loads(declared: Type) -> bool:
    return declared.kind != "optional" and loaded(declared, "x") != "x"


def _refuse_text(expression: str) -> None:
    if not expression.isascii() and any("\ud800" <= char <= "\udfff" for char in expression):
        raise CompileError("compilation failed: ERROR: <input>:-1:0: invalid UTF-8")
    if len(expression) > _MAX_CODE_POINTS:
        raise CompileError(
            f"compilation failed: ERROR: <input>:-1:0: expression code point size exceeds limit: "
            f"size: {len(expression)}, limit {_MAX_CODE_POINTS}"
        )


def _type_name(declared: cel.Type) -> str:
    name = str(declared.name())
    return name.partition("<")[0].lower() if name.isupper() or "<" in name else name


def _plain(value: Any) -> Any:
    """CEL's value as JSON: times and durations as Kubernetes writes them, bytes in base64."""
    if isinstance(value, dict):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_plain(held) for held in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    return value
