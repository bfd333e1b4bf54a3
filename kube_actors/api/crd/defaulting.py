"""Defaults of a structural schema, and nulls (apiextensions-apiserver's schema/defaulting)."""

from __future__ import annotations

import copy
from typing import Any

from kube_actors.api.crd.structural import MISSING, TYPE_META, Structural


def apply_defaults(node: Structural, value: Any, *, root: bool = False) -> None:
    """Fill in what is absent, or null where null is not allowed; in place."""
    if isinstance(value, list):
        if node.items is not None and node.items.has_defaults:
            for item in value:
                apply_defaults(node.items, item)
        return
    if not isinstance(value, dict):
        return
    for name, below in node.properties.items():
        if not below.has_defaults or (root and name in TYPE_META):
            continue
        if below.default is not MISSING and (name not in value or (value[name] is None and not below.nullable)):
            value[name] = copy.deepcopy(below.default)
        if name in value:
            apply_defaults(below, value[name])
    if node.additional is not None and node.additional.has_defaults:
        for name, item in value.items():
            if name in node.properties:
                continue
            if item is None and not node.additional.nullable and node.additional.default is not MISSING:
                value[name] = copy.deepcopy(node.additional.default)
            apply_defaults(node.additional, value[name])


def drop_nulls(node: Structural, value: Any) -> None:
    """Drop nulls of fields that may not be null and have no default; in place."""
    if isinstance(value, list):
        if node.items is not None:
            for item in value:
                drop_nulls(node.items, item)
        return
    if not isinstance(value, dict):
        return
    for name in list(value):
        below = node.properties.get(name) or node.additional
        if below is None:
            continue
        if value[name] is None and not below.nullable and below.default is MISSING:
            del value[name]
        else:
            drop_nulls(below, value[name])
