"""x-kubernetes-validations: CEL rules of a schema's nodes, compiled once and run on objects.

Kubernetes: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from kube_actors.api import cel
from kube_actors.api.cel import Type
from kube_actors.api.crd.findings import Findings
from kube_actors.api.crd.structural import MISSING, TYPE_META, Raw, Structural
from kube_actors.api.crd.values import join, map_key

_WORDS = "true false null in as break const continue else for function if import let loop package namespace return"
RESERVED = frozenset((*_WORDS.split(), "var", "void", "while"))
_STRINGS = re.compile(r"""("{3}|'{3})(?:[^\\]|\\.)*?\1|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""", re.DOTALL)
_OLD_SELF = re.compile(r"\boldSelf\b")
_FORMATS = {"byte": cel.BYTES, "duration": cel.DURATION, "date": cel.TIMESTAMP, "date-time": cel.TIMESTAMP}
_SCALARS = {"boolean": cel.BOOL, "integer": cel.INT, "number": cel.DOUBLE}
_ROOT_METADATA = cel.object_of({"name": cel.STRING, "generateName": cel.STRING})
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


def check(
    found: Findings, node: Structural, value: Any, old: Any = MISSING, path: str = "", *, root: bool = False
) -> None:
    """Run all rules at and below a node; `old` is the value there before, MISSING for none or an unknown one."""
    if not node.has_rules or value is None:
        return
    if node.rules:
        _check_node(found, node, value, old, path, root)
    if isinstance(value, list) and node.items is not None:
        before = _items_before(node, value, old)
        for index, item in enumerate(value):
            check(found, node.items, item, before(item), f"{path}[{index}]")
    elif isinstance(value, dict):
        previous = old if isinstance(old, dict) else {}
        for name, item in value.items():
            below = node.properties.get(name)
            if below is not None:
                check(found, below, item, previous.get(name, MISSING), join(path, name))
            elif node.additional is not None:
                check(found, node.additional, item, previous.get(name, MISSING), f"{path}[{name}]")


def _items_before(node: Structural, value: list[Any], old: Any) -> Callable[[Any], Any]:
    if not isinstance(old, list) or node.list_type != "map":
        return lambda item: MISSING
    known = {map_key(item, node.list_map_keys): item for item in old if isinstance(item, dict)}
    return lambda item: known.get(map_key(item, node.list_map_keys), MISSING) if isinstance(item, dict) else MISSING


def _check_node(found: Findings, node: Structural, value: Any, old: Any, path: str, root: bool) -> None:
    seen = value_of(node, value, root=root)
    before = MISSING if old is MISSING or old is None else value_of(node, old, root=root)
    unchanged = before is not MISSING and before == seen
    for rule in node.rules:
        transition = is_transition(rule)
        if (transition and before is MISSING) or (unchanged and not transition):
            continue
        data = {"self": seen} if before is MISSING else {"self": seen, "oldSelf": before}
        types = variables(node, rule, root=root)
        data = {name: held for name, held in data.items() if name in types}
        try:
            passed = cel.compile(rule["rule"], types).evaluate(data)
        except cel.CompileError as error:
            found.invalid(path or "<nil>", node.type, f"rule compile error: {error}")
            continue
        except cel.CostExceeded:
            found.forbidden(path or "<nil>", _OUT_OF_BUDGET)
            return
        except cel.EvaluationError as error:
            found.invalid(path or "<nil>", node.type, _cannot_run(str(error), _fallback(rule)))
            continue
        if passed is not True:
            _refuse(found, node, rule, value, _message(rule, types, data), path)


def _cannot_run(error: str, rule: str) -> str:
    if error.startswith("no such overload"):
        known = "call arguments did not match a supported operator, function or macro signature"
        return f"'{error}': {known} for rule: {rule}"
    return f"{error} evaluating rule: {rule}"


def _fallback(rule: Raw) -> str:
    return (rule.get("message") or "").strip() or f"failed rule: {rule['rule'].strip()}"


def _message(rule: Raw, types: dict[str, Type], data: dict[str, Any]) -> str:
    expression = rule.get("messageExpression")
    if expression:
        try:
            text = cel.compile(expression, types).evaluate(data)
        except (cel.CompileError, cel.EvaluationError):
            text = ""
        if isinstance(text, str) and text.strip() and "\n" not in text:
            return text.strip()
    return _fallback(rule)


def _refuse(found: Findings, node: Structural, rule: Raw, value: Any, message: str, path: str) -> None:
    field = f"{path}{rule['fieldPath']}".lstrip(".") if rule.get("fieldPath") else path
    field = field or "<nil>"
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
