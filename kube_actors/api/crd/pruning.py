"""Fields that a structural schema does not name are dropped (apiextensions-apiserver's schema/pruning)."""

from __future__ import annotations

from typing import Any

from kube_actors.api.crd.structural import TYPE_META, Structural


def pruned(node: Structural, value: Any, unknown: list[str], path: str = "", *, root: bool = False) -> Any:
    """`value` without unknown fields, whose paths are added to `unknown`. The value itself is left as it is.

    `root`: apiVersion, kind and metadata are implicit, as they are of embedded resources.
    """
    if isinstance(value, list):
        if node.items is None:
            return value
        return [pruned(node.items, item, unknown, f"{path}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kept: dict[str, Any] = {}
    for key, item in value.items():
        where = f"{path}.{key}" if path else key
        below = node.properties.get(key) or node.additional
        if (root or node.embedded) and key in TYPE_META:
            kept[key] = item
        elif below is not None:
            kept[key] = pruned(below, item, unknown, where)
        elif node.preserve_unknown or node.raw.get("additionalProperties") is True:
            kept[key] = item
        else:
            unknown.append(where)
    return kept
