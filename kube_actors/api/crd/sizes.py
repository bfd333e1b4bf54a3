"""How large the values of a schema can be, for the cost of its rules: what it limits, or what fits into a request.

Kubernetes: k8s.io/apiserver/pkg/cel/common/schemas.go and limits.go.
"""

from __future__ import annotations

from kube_actors.api.cel.cost import Bound
from kube_actors.api.crd.rules import escaped
from kube_actors.api.crd.structural import Structural

REQUEST = 3 * 1024 * 1024
_FORMATS = {"date": 10.0, "date-time": 30.0, "duration": 30.0}
_SMALLEST = {"string": 2, "array": 2, "object": 2, "boolean": 4}


def bounds(node: Structural) -> Bound:
    """Of the value at a node and all below it."""
    if node.type == "string" or node.int_or_string:
        return Bound(_text_length(node))
    if node.type == "array":
        return Bound(item_count(node), bounds(node.items) if node.items is not None else None)
    if node.type == "object":
        fields = {key: bounds(below) for name, below in node.properties.items() if (key := escaped(name))}
        if node.additional is not None:
            return Bound(item_count(node), bounds(node.additional))
        return Bound(REQUEST, fields=fields)
    return Bound()


def item_count(node: Structural) -> float:
    """How many elements the list or map at a node can have."""
    declared = node.raw.get("maxItems" if node.type == "array" else "maxProperties")
    if declared is not None:
        return float(max(0, declared))
    below = node.items or node.additional
    around = 1 if node.type == "array" else 6
    return (REQUEST - 2) / ((smallest(below) if below is not None else 1) + around)


def smallest(node: Structural) -> int:
    """The fewest bytes of JSON that a value can be."""
    if node.type == "object":
        needed = node.raw.get("required") or ()
        known = [(name, node.properties[name]) for name in needed if name in node.properties]
        return 2 + sum(len(name) + 4 + smallest(below) for name, below in known)
    return _SMALLEST.get(node.type, 1)


def _text_length(node: Structural) -> float:
    declared = node.raw.get("maxLength")
    if declared is not None:
        return float(max(0, declared))
    if node.raw.get("enum"):
        return float(max(len(str(one)) for one in node.raw["enum"]))
    return _FORMATS.get(node.format, REQUEST - 2.0)
