"""The patch that `kubectl apply` sends: from what was applied last, what is applied now, and what the server has.

Additions and changes are what `modified` has and `current` has not; deletions are what `original` had and
`modified` has no more. What only the server knows stays. Applied twice, the second patch is empty.
"""

from __future__ import annotations

from typing import Any

from kube_actors.api.patch.strategic import DELETE, DELETE_PRIMITIVES, MERGE, PATCH, REPLACE, RETAIN_KEYS, SET_ORDER
from kube_actors.api.schema import SchemaNode

Map = dict[str, Any]


def three_way(original: Map | None, modified: Map, current: Map, node: SchemaNode | None) -> Map:
    """The strategic merge patch for `current`; {} where nothing is to change."""
    return _map_patch(original or {}, modified, current, node)


def three_way_merge(original: Map | None, modified: Map, current: Map) -> Map:
    """The same as a JSON merge patch, for kinds without a built-in schema: lists are replaced whole."""
    patch: Map = {}
    for key, wanted in modified.items():
        have = current.get(key)
        if isinstance(wanted, dict) and isinstance(have, dict):
            before = (original or {}).get(key)
            inner = three_way_merge(before if isinstance(before, dict) else {}, wanted, have)
            if inner:
                patch[key] = inner
        elif wanted is None:
            if key in current:
                patch[key] = None
        elif not _equal(wanted, have):
            patch[key] = wanted
    return patch | _deletions(original or {}, modified, current)


def _deletions(original: Map, modified: Map, current: Map) -> Map:
    return {key: None for key in original if key not in modified and key in current}


def _equal(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def _map_patch(original: Map, modified: Map, current: Map, node: SchemaNode | None) -> Map:
    patch: Map = {}
    for key, wanted in modified.items():
        child = (node.properties.get(key) or node.additional) if node else None
        strategy = child.patch_strategy if child else frozenset[str]()
        have = current.get(key)
        if wanted is None:
            if key in current:
                patch[key] = None
        elif isinstance(wanted, dict) and isinstance(have, dict) and REPLACE not in strategy:
            inner = _map_patch(_as_map(original.get(key)), wanted, have, child)
            if inner:
                patch[key] = _retaining(inner, wanted, strategy)
        elif isinstance(wanted, list) and isinstance(have, list) and MERGE in strategy and child is not None:
            patch.update(_list_patch(key, original.get(key), wanted, have, child))
        elif not _equal(wanted, have):
            patch[key] = wanted
    return patch | _deletions(original, modified, current)


def _as_map(value: Any) -> Map:
    return value if isinstance(value, dict) else {}


def _retaining(patch: Map, wanted: Map, strategy: frozenset[str]) -> Map:
    """A map of which only one member may be set: the ones that are not wanted have to go."""
    return {RETAIN_KEYS: sorted(wanted), **patch} if "retainKeys" in strategy else patch


def _list_patch(key: str, original: Any, modified: list[Any], current: list[Any], node: SchemaNode) -> Map:
    before = original if isinstance(original, list) else []
    merge_key = node.patch_merge_key
    if merge_key:
        return _keyed_list_patch(key, before, modified, current, node)
    if any(isinstance(item, dict) for item in [*modified, *current]):
        return {} if modified == current else {key: modified}
    gone = [item for item in before if item not in modified and item in current]
    new = [item for item in modified if item not in current]
    kept = [item for item in current if item in modified]
    if not gone and not new and kept == list(dict.fromkeys(modified)):
        return {}
    patch: Map = {SET_ORDER + key: modified}
    if new:
        patch[key] = new
    if gone:
        patch[DELETE_PRIMITIVES + key] = gone
    return patch


def _keyed_list_patch(key: str, original: list[Any], modified: list[Any], current: list[Any], node: SchemaNode) -> Map:
    merge_key = node.patch_merge_key
    lists = (original, modified, current)
    if any(not isinstance(item, dict) or merge_key not in item for items in lists for item in items):
        return {} if modified == current else {key: modified}
    before, have = ({item[merge_key]: item for item in items} for items in (original, current))
    wanted = {item[merge_key]: item for item in modified}
    changes: list[Any] = []
    for name, item in wanted.items():
        if name not in have:
            changes.append(item)
        elif inner := _map_patch(before.get(name, {}), item, have[name], node.items):
            changes.append(_retaining({**inner, merge_key: name}, item, node.patch_strategy))
    changes += [{PATCH: DELETE, merge_key: name} for name in before if name not in wanted and name in have]
    in_order = [name for name in have if name in wanted] == [name for name in wanted if name in have]
    if not changes and in_order:
        return {}
    order = [{merge_key: name} for name in wanted]
    return {SET_ORDER + key: order, key: changes} if changes else {SET_ORDER + key: order}
