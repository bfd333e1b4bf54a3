"""x-kubernetes-validations: CEL rules of a schema's nodes, compiled once and run on objects.

Kubernetes: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kube_actors.api import cel
from kube_actors.api.cel import Type
from kube_actors.api.crd.findings import NO_FIELD, Findings
from kube_actors.api.crd.structural import MISSING, TYPE_META, Raw, Structural
from kube_actors.api.crd.values import join, map_key

_WORDS = "true false null in as break const continue else for function if import let loop package namespace return"
RESERVED = frozenset((*_WORDS.split(), "var", "void", "while"))
_STRINGS = re.compile(r"""("{3}|'{3})(?:[^\\]|\\.)*?\1|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""", re.DOTALL)
_OLD_SELF = re.compile(r"\boldSelf\b")
_FORMATS = {"byte": cel.BYTES, "duration": cel.DURATION, "date": cel.TIMESTAMP, "date-time": cel.TIMESTAMP}
_SCALARS = {"boolean": cel.BOOL, "integer": cel.INT, "number": cel.DOUBLE}
_ROOT_METADATA = cel.object_of({"name": cel.STRING, "generateName": cel.STRING})
# Some 20 microseconds each: what the rules of one object may take of the server's time.
EVALUATIONS = 20_000
_OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


def escaped(name: str) -> str | None:
    """A field's name as rules write it; None for one that they cannot name."""
    if name in RESERVED:
        return f"__{name}__"
    for text, words in (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")):
        name = words.join(name.split(text))
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) else None


def type_of(node: Structural, *, root: bool = False) -> Type:
    """The type of `self` at a node."""
    if node.int_or_string:
        return cel.DYN
    if node.type == "array":
        return cel.list_of(type_of(node.items) if node.items is not None else cel.DYN)
    if node.type == "object":
        return _object_type(node, root)
    if node.type == "string":
        return _FORMATS.get(node.format, cel.STRING)
    return _SCALARS.get(node.type, cel.DYN)


def _object_type(node: Structural, root: bool) -> Type:
    if node.additional is not None:
        return cel.map_of(type_of(node.additional))
    fields = {name: type_of(below) for name, below in node.properties.items()}
    if root or node.embedded:
        fields |= {"apiVersion": cel.STRING, "kind": cel.STRING, "metadata": _ROOT_METADATA}
    return cel.object_of({key: kind for name, kind in fields.items() if (key := escaped(name)) is not None})


def value_of(node: Structural, value: Any, *, root: bool = False) -> Any:
    """A value as rules see it: escaped names, numbers that are doubles, bytes decoded."""
    if value is None:
        return None
    if node.type == "array" and isinstance(value, list) and node.items is not None:
        return [value_of(node.items, item) for item in value]
    if node.type == "object" and isinstance(value, dict):
        if node.additional is not None:
            return {key: value_of(node.additional, item) for key, item in value.items()}
        return _object_value(node, value, root)
    if node.type == "number" and isinstance(value, int):
        return float(value)
    if node.type == "string" and node.format == "byte":
        return _decoded(value)
    return f"{value}T00:00:00Z" if node.format == "date" and node.type == "string" else value


def _object_value(node: Structural, value: Raw, root: bool) -> Raw:
    seen: Raw = {}
    for name, item in value.items():
        key, below = escaped(name), node.properties.get(name)
        if key is None:
            continue
        if (root or node.embedded) and name in TYPE_META:
            seen[key] = (
                {one: item[one] for one in ("name", "generateName") if one in item} if name == "metadata" else item
            )
        elif below is not None:
            seen[key] = value_of(below, item)
    return seen


def _decoded(text: Any) -> Any:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError, TypeError):
        return text


def is_transition(rule: Raw) -> bool:
    """Whether it compares with what was before, so that it does not run on a creation."""
    return not rule.get("optionalOldSelf") and uses_old_self(rule.get("rule") or "")


def uses_old_self(expression: str) -> bool:
    return _OLD_SELF.search(_STRINGS.sub("", expression)) is not None


def variables(node: Structural, rule: Raw, *, root: bool) -> dict[str, Type]:
    """What a rule's expressions may name."""
    own = type_of(node, root=root)
    if rule.get("optionalOldSelf"):
        return {"self": own, "oldSelf": cel.optional_of(own)}
    # Declared only where it is used: an expression without it has one environment with all others of its type.
    used = uses_old_self(f"{rule.get('rule') or ''} {rule.get('messageExpression') or ''}")
    return {"self": own, "oldSelf": own} if used else {"self": own}


class _OutOfBudget(Exception):
    """The object has had as many rules run as one may."""


def check(found: Findings, node: Structural, value: Any, old: Any = MISSING) -> None:
    """Run all rules of a schema on an object; `old` is what it was before, MISSING for a new one."""
    run = _Run(found)
    try:
        run.walk(node, value, old, "", root=True)
    except _OutOfBudget:
        found.forbidden(NO_FIELD, _OUT_OF_BUDGET)


class _Run:
    """The rules of one object. They may look at its values so often, whatever the rules are and the object holds."""

    def __init__(self, found: Findings) -> None:
        self.found = found
        self._left = EVALUATIONS

    def spend(self) -> None:
        """Before an evaluation. Raises _OutOfBudget."""
        self._left -= 1
        if self._left < 0:
            raise _OutOfBudget

    def walk(self, node: Structural, value: Any, old: Any, path: str, *, root: bool = False) -> None:
        """Run all rules at and below a node."""
        if not node.has_rules or value is None:
            return
        if node.rules:
            _check_node(self, node, value, old, path, root)
        if isinstance(value, list) and node.items is not None:
            before = _items_before(node, value, old)
            for index, item in enumerate(value):
                self.walk(node.items, item, before(item), f"{path}[{index}]")
        elif isinstance(value, dict):
            previous = old if isinstance(old, dict) else {}
            for name, item in value.items():
                below = node.properties.get(name)
                if below is not None:
                    self.walk(below, item, previous.get(name, MISSING), join(path, name))
                elif node.additional is not None:
                    self.walk(node.additional, item, previous.get(name, MISSING), f"{path}[{name}]")


def _items_before(node: Structural, value: list[Any], old: Any) -> Callable[[Any], Any]:
    if not isinstance(old, list) or node.list_type != "map":
        return lambda item: MISSING
    known = {map_key(item, node.list_map_keys): item for item in old if isinstance(item, dict)}
    return lambda item: known.get(map_key(item, node.list_map_keys), MISSING) if isinstance(item, dict) else MISSING


@dataclass(frozen=True, slots=True)
class _Compiled:
    """One rule of a node. `program` is None for one that does not compile, which a valid CRD does not have."""

    rule: Raw
    transition: bool
    names: frozenset[str]
    program: cel.Program | None
    message: cel.Program | None


# By the node itself, which lives as long as its definition.
@lru_cache(maxsize=4096)
def _compiled(node: Structural, root: bool) -> tuple[_Compiled, ...]:
    made = []
    for rule in node.rules:
        types = variables(node, rule, root=root)
        programs = [_program(rule.get(field) or "", types) for field in ("rule", "messageExpression")]
        made.append(_Compiled(rule, is_transition(rule), frozenset(types), *programs))
    return tuple(made)


def _program(expression: str, types: dict[str, Type]) -> cel.Program | None:
    try:
        return cel.compile(expression, types) if expression else None
    except cel.CompileError:
        return None


def _check_node(run: _Run, node: Structural, value: Any, old: Any, path: str, root: bool) -> None:
    seen = value_of(node, value, root=root)
    before = MISSING if old is MISSING or old is None else value_of(node, old, root=root)
    unchanged = before is not MISSING and before == seen
    for one in _compiled(node, root):
        if one.program is None or (one.transition and before is MISSING) or (unchanged and not one.transition):
            continue
        run.spend()
        data = {"self": seen} if before is MISSING or "oldSelf" not in one.names else {"self": seen, "oldSelf": before}
        try:
            passed = one.program.evaluate(data)
        except cel.CostExceeded:
            raise _OutOfBudget from None
        except cel.EvaluationError as error:
            run.found.invalid(path or NO_FIELD, node.type, _cannot_run(str(error), _fallback(one.rule)))
            continue
        if passed is not True:
            _refuse(run.found, node, one.rule, value, _message(one, data), path)


def _cannot_run(error: str, rule: str) -> str:
    if error.startswith("no such overload"):
        known = "call arguments did not match a supported operator, function or macro signature"
        return f"'{error}': {known} for rule: {rule}"
    return f"{error} evaluating rule: {rule}"


def _fallback(rule: Raw) -> str:
    return (rule.get("message") or "").strip() or f"failed rule: {rule['rule'].strip()}"


def _message(one: _Compiled, data: dict[str, Any]) -> str:
    if one.message is not None:
        try:
            text = one.message.evaluate(data)
        except cel.EvaluationError:
            text = ""
        if isinstance(text, str) and text.strip() and "\n" not in text:
            return text.strip()
    return _fallback(one.rule)


def _refuse(found: Findings, node: Structural, rule: Raw, value: Any, message: str, path: str) -> None:
    field = f"{path}{rule['fieldPath']}".lstrip(".") if rule.get("fieldPath") else path
    field = field or NO_FIELD
    reason = rule.get("reason")
    shown = node.type if isinstance(value, dict | list) else value
    if reason == "FieldValueForbidden":
        found.forbidden(field, message)
    elif reason == "FieldValueRequired":
        found.required(field, message)
    elif reason == "FieldValueDuplicate":
        found.duplicate(field, shown, message)
    else:
        found.invalid(field, shown, message)
