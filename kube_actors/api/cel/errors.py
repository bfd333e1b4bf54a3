"""What goes wrong with an expression, in the words of cel-go, which Kubernetes shows.

cel-cpp's texts of compilation are the same but for two; those of evaluation differ, and are reworded here.
"""

from __future__ import annotations

import re

from kube_actors.api.errors import KubeActorsError

_STATUS = re.compile(r"^[A-Z_]+: (?=ERROR)|(?: \[[A-Z_]+\])$")
_STRUCT = re.compile(r"(undefined field '[^']*') not found in struct '[^']*'")
_QUALIFIED = re.compile(r"(undeclared reference to ')([^'.]+)\.[^']*(')")

_RUNTIME = (
    (re.compile(r'Key not found in map : "(.*)"', re.DOTALL), r"no such key: \1"),
    (re.compile(r"Key not found in map : (.*)", re.DOTALL), r"no such key: \1"),
    (re.compile(r"No matching overloads found.*", re.DOTALL), "no such overload"),
    (re.compile(r"divide by zero"), "division by zero"),
    (re.compile(r"modulus by zero"), "modulus by zero"),
    (re.compile(r"Index error: index=(-?\d+).*"), r"index out of bounds: \1"),
    (re.compile(r'No value with name "(.*)" found in Activation'), r"no such attribute(s): \1"),
)
_CODE = re.compile(r"^[A-Z_]+: ")


class CompileError(KubeActorsError):
    """An expression that is no CEL, or does not fit the types. `str()` is `compilation failed: ERROR: <input>:...`."""

    grpc_code = "INVALID_ARGUMENT"


class EvaluationError(KubeActorsError):
    """An expression that gives no value for these variables: `no such key: replicas`, `division by zero`."""

    grpc_code = "INVALID_ARGUMENT"


class CostExceeded(EvaluationError):
    """An evaluation that was given up because it costs too much."""


def compile_error(text: str, *, before: str = "", after: str = "") -> CompileError:
    """From what cel-cpp says of an expression that was put between `before` and `after`, both of one line."""
    text = _STATUS.sub("", text)
    text = _QUALIFIED.sub(r"\1\2\3", _STRUCT.sub(r"\1", text))
    return CompileError(f"compilation failed: {_unwrapped(text, before, after) if before else text}")


def evaluation_error(text: str) -> EvaluationError:
    """From what cel-cpp says at run time."""
    text = _CODE.sub("", text)
    for pattern, replacement in _RUNTIME:
        match = pattern.search(text)
        if match is not None:
            return EvaluationError(match.expand(replacement))
    return EvaluationError(text)


def _unwrapped(text: str, before: str, after: str) -> str:
    """The text as it would be of the expression alone: columns and quoted lines without what is around it."""

    def position(match: re.Match[str]) -> str:
        return f"{match[1]}{int(match[2]) - len(before)}:"

    def line(match: re.Match[str]) -> str:
        return f" | {match[1].removeprefix(before).removesuffix(after)}"

    def caret(match: re.Match[str]) -> str:
        return f" | {match[1][len(before) :]}^"

    text = re.sub(r"(<input>:1:)(\d+):", position, text)
    text = re.sub(r"^ \| (\.*)\^$", caret, text, flags=re.MULTILINE)
    return re.sub(r"^ \| (?!\.*\^$)(.*)$", line, text, flags=re.MULTILINE)
