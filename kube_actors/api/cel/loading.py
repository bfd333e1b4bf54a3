"""JSON has no times: text of a declared timestamp or duration is converted where the variable is bound.

Written in CEL itself, since cel-cpp takes only JSON's types from Python. Values of maps are left as they are.
"""

from __future__ import annotations

from kube_actors.api.cel.types import Type

_CONVERSIONS = {"timestamp": "timestamp", "duration": "duration"}


def loaded(declared: Type, source: str, depth: int = 0) -> str:
    """The expression that makes a `declared` of the JSON at `source`; `source` itself where there is nothing to do."""
    if declared.kind in _CONVERSIONS:
        return f"{_CONVERSIONS[declared.kind]}({source})"
    name = f"loaded{depth}__"
    if declared.kind == "list" and declared.items is not None:
        item = loaded(declared.items, name, depth + 1)
        return source if item == name else f"{source}.map({name}, {item})"
    if declared.kind == "object":
        held = {field: loaded(kind, name, depth + 1) for field, kind in declared.fields}
        if all(value == name for value in held.values()):
            return source
        entries = (f'?"{field}": {source}.?{field}' + _mapped(name, value) for field, value in held.items())
        return f"{{{', '.join(entries)}}}"
    return source


def _mapped(name: str, value: str) -> str:
    return "" if value == name else f".optMap({name}, {value})"
