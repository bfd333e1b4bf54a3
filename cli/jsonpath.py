"""kubectl's JSONPath templates: `{.status.phase}`, `{.items[*].metadata.name}`, `{.a[?(@.type=="Ready")].status}`.

Text outside braces is literal; `{range ...}{end}` repeats. What is not here: arithmetic, unions, `..`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from .failure import usage

TEMPLATE = re.compile(r"\{((?:[^{}\"']|\"[^\"]*\"|'[^']*')*)\}|([^{}]+)")
STEP = re.compile(
    r"\.?\[\?\(@(?P<path>[^=!<>)]*)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>[^)]*))?\)\]"
    r"|\.?\[(?P<index>-?\d+)\]"
    r"|\.?\[(?P<first>-?\d*):(?P<last>-?\d*)\]"
    r"|\.?\[['\"](?P<quoted>[^'\"]*)['\"]\]"
    r"|\.?(?P<all>\[\*\]|\*)"
    r"|\.(?P<key>(?:\\.|[^.\[\]\s{}()])+)"
)


def render(template: str, data: Any) -> str:
    """The template's text for the data. Raises Failure for a template that does not parse."""
    tokens = _tokens(template)
    text, rest = _render(tokens, data, data)
    if rest:
        raise usage(f"error parsing jsonpath {template}, unexpected {{end}}")
    return text


def find(expression: str, data: Any) -> list[Any]:
    """The values of one expression, with or without braces; missing keys give none."""
    inner = expression.strip().removeprefix("{").removesuffix("}").strip()
    return _values(inner, data, data)


def _tokens(template: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    for found in TEMPLATE.finditer(template):
        if found.start() != position:
            break
        position = found.end()
        tokens.append(("text", found[2]) if found[2] is not None else ("expression", found[1].strip()))
    if position != len(template):
        raise usage(f"error parsing jsonpath {template}, unclosed action")
    return tokens


def _render(tokens: list[tuple[str, str]], data: Any, root: Any) -> tuple[str, list[tuple[str, str]]]:
    """The text up to the end or the matching {end}, and the tokens after it (with the {end})."""
    parts: list[str] = []
    while tokens:
        (kind, content), tokens = tokens[0], tokens[1:]
        if kind == "text":
            parts.append(content)
        elif content == "end":
            return "".join(parts), [("expression", "end"), *tokens]
        elif content.startswith("range"):
            after = tokens
            values = _values(content.removeprefix("range").strip(), data, root)
            for value in values:
                text, after = _render(tokens, value, root)
                parts.append(text)
            if not values:
                _, after = _render(tokens, {}, {})
            tokens = after[1:]
        elif content[:1] in "\"'" and content[:1]:
            parts.append(content[1:-1].replace("\\n", "\n").replace("\\t", "\t"))
        else:
            parts.append(" ".join(map(_text, _values(content, data, root))))
    return "".join(parts), []


def _values(expression: str, data: Any, root: Any) -> list[Any]:
    path = expression
    current = [data]
    if path.startswith("$"):
        path, current = path[1:], [root]
    path = path.removeprefix("@")
    if path in ("", "."):
        return current
    if path[0] not in ".[":
        path = f".{path}"
    position = 0
    while position < len(path):
        found = STEP.match(path, position)
        if found is None or found.end() == position:
            raise usage(f"error parsing jsonpath {{{expression}}}, unrecognized at {path[position:]!r}")
        current = [value for item in current for value in _step(found, item)]
        position = found.end()
    return current


def _step(step: re.Match[str], item: Any) -> Sequence[Any]:
    if step["all"]:
        return list(item.values()) if isinstance(item, dict) else item if isinstance(item, list) else []
    if step["index"] is not None:
        index = int(step["index"])
        return [item[index]] if isinstance(item, list) and -len(item) <= index < len(item) else []
    if step["first"] is not None:
        first, last = (int(step[name]) if step[name] else None for name in ("first", "last"))
        return item[first:last] if isinstance(item, list) else []
    if step["path"] is not None:
        return [each for each in item if _keeps(step, each)] if isinstance(item, list) else []
    key = step["quoted"] if step["quoted"] is not None else re.sub(r"\\(.)", r"\1", step["key"])
    return [item[key]] if isinstance(item, dict) and key in item else []


def _keeps(step: re.Match[str], item: Any) -> bool:
    values = _values(step["path"].strip() or ".", item, item)
    if step["op"] is None or not values:
        return bool(values) and step["op"] is None
    wanted = _literal(step["value"].strip())
    left = values[0]
    if step["op"] in ("==", "!="):
        return bool(left == wanted) == (step["op"] == "==")
    if not isinstance(left, int | float) or not isinstance(wanted, int | float):
        return False
    return {"<": left < wanted, ">": left > wanted, "<=": left <= wanted, ">=": left >= wanted}[step["op"]]


def _literal(text: str) -> Any:
    if text[:1] in "\"'" and text[:1]:
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
