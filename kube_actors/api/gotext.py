"""Values as Go prints them: messages of Kubernetes show values in Go's notations."""

from __future__ import annotations

import json
from typing import Any


def go_value(value: Any) -> str:
    """`%v` of a decoded JSON value: `map[a:1 b:[x y]]`, `<nil>`."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_value(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list | tuple):
        return f"[{' '.join(map(go_value, value))}]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return go_float(value)
    return str(value)


def go_float(value: float) -> str:
    """`%v` of a float64."""
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return repr(value).replace("e-0", "e-").replace("e+0", "e+")


def go_quote(text: str) -> str:
    """`%q`: in double quotes, escaped."""
    return json.dumps(text, ensure_ascii=False)


def go_json(value: Any) -> str:
    """json.Marshal of a struct or map: compact, in the order of the dict, `<`, `>` and `&` escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
