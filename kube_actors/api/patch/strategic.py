"""Strategic merge patch: a merge patch that knows, from the schema, how lists are merged.

Directives: `$patch: replace|delete|merge` in a map or in an item of a list, `$retainKeys`,
`$setElementOrder/LIST` and `$deleteFromPrimitiveList/LIST`. Semantics, order of items and texts are those
of apimachinery's util/strategicpatch as the API server uses it (nulls that match nothing are ignored).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kube_actors.api.gotext import go_value
from kube_actors.api.patch.errors import PatchError
from kube_actors.api.schema import SchemaNode

PATCH, RETAIN_KEYS = "$patch", "$retainKeys"
SET_ORDER, DELETE_PRIMITIVES = "$setElementOrder/", "$deleteFromPrimitiveList/"
MERGE, REPLACE, DELETE = "merge", "replace", "delete"

Map = dict[str, Any]
Items = list[Any]


def strategic_merge(node: SchemaNode | None, obj: Map, patch: Map) -> Map:
    """A new object: `obj` with `patch` laid over it. `node` is the schema of `obj`. Raises PatchError."""
    return _merge_map(node, obj, patch)


def _merge_map(node: SchemaNode | None, original: Map, patch: Map) -> Map:
    if PATCH in patch:
        return _replaced_or_deleted(patch)
    merged = dict(original)
    patch = _retain(merged, dict(patch))
    _merge_ordered_lists(node, merged, patch)
    for key, value in patch.items():
        if key.startswith(DELETE_PRIMITIVES):
            name = key[len(DELETE_PRIMITIVES) :]
            if isinstance(merged.get(name), list):
                merged[name] = [item for item in merged[name] if item not in value]
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge_value(_child(node, key), merged.get(key), value)
    return merged


def _merge_value(node: SchemaNode | None, original: Any, value: Any) -> Any:
    """`value` laid over what the original has; a value of another type replaces it."""
    if isinstance(value, dict):
        if not isinstance(original, dict) or _strategy(node) == REPLACE:
            return _without_directives(node, value)
        return _merge_map(node, original, value)
    if isinstance(value, list):
        if not isinstance(original, list):
            return _without_directives(node, value)
        if _strategy(node) != MERGE:
            return value
        return _merge_list(node, original, value)
    return value


def _without_directives(node: SchemaNode | None, value: Any) -> Any:
    """What a patch adds where nothing was: itself, without nulls and directives."""
    if isinstance(value, dict):
        return _merge_map(node, {}, value)
    if isinstance(value, list):
        inner = node.items if node else None
        kept = [item for item in value if not (isinstance(item, dict) and PATCH in item)]
        return [_without_directives(inner, item) for item in kept]
    return value


def _replaced_or_deleted(patch: Map) -> Map:
    directive = patch[PATCH]
    if directive == REPLACE:
        return {key: value for key, value in patch.items() if key != PATCH}
    if directive == DELETE:
        return {}
    raise PatchError(f"unknown patch type: {directive} in map: {go_value(patch)}", internal=True)


def _child(node: SchemaNode | None, key: str) -> SchemaNode | None:
    return (node.properties.get(key) or node.additional) if node else None


def _strategy(node: SchemaNode | None) -> str:
    """replace, merge or nothing; retainKeys says nothing about lists and maps themselves."""
    strategies = node.patch_strategy if node else frozenset[str]()
    return next((name for name in (REPLACE, MERGE) if name in strategies), "")


def _retain(merged: Map, patch: Map) -> Map:
    """Do $retainKeys: drop from `merged` what it does not list. Returns the rest of the patch."""
    if RETAIN_KEYS not in patch:
        return patch
    retained = patch.pop(RETAIN_KEYS)
    if not isinstance(retained, list):
        raise PatchError("invalid patch format of $retainKeys", internal=True)
    for key, value in patch.items():
        if value is not None and not key.startswith("$") and key not in retained:
            raise PatchError("invalid patch format of $retainKeys", internal=True)
    for key in list(merged):
        if key not in retained:
            del merged[key]
    return patch


def _merge_ordered_lists(node: SchemaNode | None, merged: Map, patch: Map) -> None:
    """Do every $setElementOrder, together with the patch of the list it orders; both leave `patch`."""
    for directive in [key for key in patch if key.startswith(SET_ORDER)]:
        order = patch.pop(directive)
        name = directive[len(SET_ORDER) :]
        child = _child(node, name)
        merge_key = child.patch_merge_key if child else ""
        additions = patch.get(name)
        if additions is not None:
            _check_order(additions, order, merge_key)
        removals = patch.pop(DELETE_PRIMITIVES + name, ())
        before = [item for item in merged.get(name) or () if item not in removals]
        if name in patch:
            additions = patch.pop(name)
            if additions is None:
                merged.pop(name, None)
                continue
        if additions is None and name not in merged:
            continue
        items = _merge_value(child, before, additions) if additions is not None else before
        merged[name] = _in_order(items, order, before, merge_key)


def _merge_list(node: SchemaNode | None, original: Items, patch: Items) -> Items:
    """A list with the strategy merge: by merge key for maps, without duplicates for scalars."""
    merge_key = node.patch_merge_key if node else ""
    if not any(isinstance(item, dict) for item in original or patch):
        merged = list(dict.fromkeys([*original, *patch]))
        return _in_order(merged, patch, original, "")
    if not merge_key:
        raise PatchError(f"cannot merge lists without merge key for {node.name if node else ''}", internal=True)
    original, patch = _without_special_items(original, patch, merge_key)
    merged = list(original)
    places = {_key_of(item, merge_key): place for place, item in enumerate(merged)}
    for item in patch:
        key = _key_of(item, merge_key)
        if key in places:
            merged[places[key]] = _merge_map(node.items if node else None, merged[places[key]], item)
        else:
            places[key] = len(merged)
            merged.append(_without_directives(node.items if node else None, item))
    return _in_order(merged, patch, original, merge_key)


def _without_special_items(original: Items, patch: Items, merge_key: str) -> tuple[Items, Items]:
    """Do `$patch` of items: delete takes an item out, replace empties the original."""
    plain: Items = []
    replaced = False
    for item in patch:
        directive = item.get(PATCH) if isinstance(item, dict) else None
        if directive is None:
            plain.append(item)
        elif directive == DELETE:
            key = _key_of(item, merge_key)
            original = [other for other in original if _key_of(other, merge_key) != key]
        elif directive == REPLACE:
            replaced = True
        elif directive == MERGE:
            raise PatchError("merging lists cannot yet be specified in the patch", internal=True)
        else:
            raise PatchError(f"unknown patch type: {directive} in map: {go_value(item)}", internal=True)
    return ([] if replaced else original), plain


def _key_of(item: Any, merge_key: str) -> Any:
    if not isinstance(item, dict) or merge_key not in item:
        raise PatchError(f"map: {go_value(item)} does not contain declared merge key: {merge_key}", internal=True)
    return item[merge_key]


def _identity(merge_key: str) -> Callable[[Any], Any]:
    return (lambda item: _key_of(item, merge_key)) if merge_key else (lambda item: item)


def _check_order(patch: Any, order: Any, merge_key: str) -> None:
    """The items of the patch have to stand in `order` in that sequence."""
    if not isinstance(patch, list) or not isinstance(order, list):
        return
    identity = _identity(merge_key)
    wanted = [identity(item) for item in order]
    at = 0
    for item in patch:
        if isinstance(item, dict) and PATCH in item:
            continue
        try:
            at = wanted.index(identity(item), at) + 1
        except ValueError:
            lists = f"{go_value(patch)}\n doesn't match $setElementOrder list:\n{go_value(order)}\n"
            text = f"The order in patch list:\n{lists}"
            raise PatchError(text, internal=True) from None


def _in_order(items: Items, order: Items, before: Items, merge_key: str) -> Items:
    """Items that `order` names, in its order, merged with the others, which keep their places among `before`."""
    identity = _identity(merge_key)
    rank = {identity(item): place for place, item in reversed(list(enumerate(order))) if _has_key(item, merge_key)}
    server = {identity(item): place for place, item in reversed(list(enumerate(before)))}
    named = sorted((item for item in items if identity(item) in rank), key=lambda item: rank[identity(item)])
    others = [item for item in items if identity(item) not in rank]
    merged: Items = []
    left, right = 0, 0
    while left < len(others) and right < len(named):
        a, b = server.get(identity(others[left])), server.get(identity(named[right]))
        if a is not None and b is not None and a < b:
            merged.append(others[left])
            left += 1
        else:
            merged.append(named[right])
            right += 1
    return [*merged, *others[left:], *named[right:]]


def _has_key(item: Any, merge_key: str) -> bool:
    return not merge_key or (isinstance(item, dict) and merge_key in item)
