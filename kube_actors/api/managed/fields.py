"""Sets of fields, in the form of FieldsV1 itself, and their algebra.

A set is a trie of dicts. A node that is empty or holds "." is a member; the root is never one:

    {"f:data": {".": {}, "f:a": {}}}       the fields .data and .data.a
    {"f:data": {"f:a": {}}}                the field .data.a alone

Keys are path elements: `f:NAME` a field, `k:{"name":"c"}` an item of a list by its keys, `v:"x"` an item of a set.
No function changes what it is given; results share parts with it. Kubernetes: structured-merge-diff's fieldpath.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

Fields = dict[str, Any]

SELF = "."
LEAF: Fields = {}
_ORDER = "fkvi"


def union(left: Fields, right: Fields) -> Fields:
    """What is in either."""
    if not left or left is right:
        return right
    if not right:
        return left
    merged = dict(left)
    for key, node in right.items():
        mine = merged.get(key)
        merged[key] = node if mine is None else _node_union(mine, node)
    return merged


def _node_union(left: Fields, right: Fields) -> Fields:
    if left and right:
        return union(left, right)
    inner = left or right
    return inner if not inner or SELF in inner else {SELF: LEAF, **inner}


def difference(left: Fields, right: Fields) -> Fields:
    """What is in `left` and not in `right`; the children of a field of `right` stay."""
    if not right:
        return left
    found: Fields = {}
    for key, node in left.items():
        other = right.get(key)
        kept = node if other is None else _node_difference(node, other)
        if kept is not None:
            found[key] = kept
    return found


def _node_difference(left: Fields, right: Fields) -> Fields | None:
    if not left:
        return None if _is_member(right) else left
    if not right:
        return _node({key: node for key, node in left.items() if key != SELF})
    return _node(difference(left, right))


def without(left: Fields, right: Fields) -> Fields:
    """What is in `left`, neither in `right` nor below a field of `right`."""
    found: Fields = {}
    for key, node in left.items():
        other = right.get(key)
        if other is None:
            found[key] = node
        elif not _is_member(other):
            kept = _node(without(node, other)) if node else node
            if kept is not None:
                found[key] = kept
    return found


def intersection(left: Fields, right: Fields) -> Fields:
    """What is in both."""
    found: Fields = {}
    for key, node in left.items():
        other = right.get(key)
        kept = None if other is None else _node_intersection(node, other)
        if kept is not None:
            found[key] = kept
    return found


def _node_intersection(left: Fields, right: Fields) -> Fields | None:
    if left and right:
        return _node(intersection(left, right))
    return LEAF if _is_member(left) and _is_member(right) else None


def has(fields: Fields, key: str) -> bool:
    """Whether the element `key` itself is in the set."""
    node = fields.get(key)
    return node is not None and _is_member(node)


def _is_member(node: Fields) -> bool:
    return not node or SELF in node


def _node(node: Fields) -> Fields | None:
    """A node in its one right form: None for one without members, empty for a member alone."""
    if not node:
        return None
    return LEAF if len(node) == 1 and SELF in node else node


def of_path(*elements: str) -> Fields:
    """The set of one field: `of_path("f:spec", "f:replicas")`."""
    node: Fields = LEAF
    for element in reversed(elements):
        node = {element: node}
    return node


def normal(fields: Any) -> Fields:
    """A set that somebody else wrote, in its one right form. Raises ValueError for what is none."""
    if not isinstance(fields, dict):
        raise ValueError("a set of fields is an object")
    found: Fields = {}
    for key, node in fields.items():
        if key != SELF and (key[1:2] != ":" or key[0] not in _ORDER):
            raise ValueError(f"{key!r} is no element of a path")
        inner = normal(node)
        found[key] = LEAF if len(inner) == 1 and SELF in inner else inner
    return found


def paths(fields: Fields, prefix: str = "") -> Iterator[str]:
    """The members as texts, `.spec.containers[name="c"].image`, in Kubernetes' order: fields before what is in them."""
    keys = sorted((key for key in fields if key != SELF), key=lambda key: (_ORDER.index(key[0]), key))
    for key in keys:
        if _is_member(fields[key]):
            yield prefix + element_text(key)
    for key in keys:
        if fields[key]:
            yield from paths(fields[key], prefix + element_text(key))


def element_text(key: str) -> str:
    """One element as errors show it: `.name`, `[name="c"]`, `[="x"]`."""
    kind, rest = key[0], key[2:]
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        pairs = orjson.loads(rest)
        return "[" + ",".join(f"{name}={orjson.dumps(pairs[name]).decode()}" for name in sorted(pairs)) + "]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"
