"""Objects as their shape sees them: checked, as the fields that they set, merged, with fields taken out.

Kubernetes: structured-merge-diff's typed (validate.go, tofieldset.go, merge.go, remove.go); texts are its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from kube_actors.api.gotext import go_value
from kube_actors.api.managed.fields import LEAF, SELF, Fields, element_text, has
from kube_actors.api.managed.shapes import ANY, Kind, Shape

_MISSING: Any = object()


class TypedError(ValueError):
    """An applied configuration does not fit its schema; the text is Kubernetes'."""


def check(shape: Shape, obj: Any) -> None:
    """Raises TypedError with everything that is wrong with an applied configuration."""
    problems = list(_problems(shape, obj, ""))
    if len(problems) == 1:
        raise TypedError(problems[0])
    if problems:
        raise TypedError("errors:\n" + "\n".join(f"  {problem}" for problem in problems))


def _problems(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if value is None:
        return
    kind = shape.kind
    if kind is Kind.SCALAR:
        text = _scalar_problem(shape.scalar, value)
        if text:
            yield f"{path}: {text}"
    elif isinstance(value, dict) and kind is not Kind.LIST:
        yield from _map_problems(shape, value, path)
    elif isinstance(value, list) and kind is Kind.LIST:
        yield from _list_problems(shape, value, path)
    elif kind is not Kind.ANY:
        yield f"{path}: expected {kind.value}, got &{{{go_value(value)}}}"


def _scalar_problem(wanted: str, value: Any) -> str:
    is_bool, is_text = isinstance(value, bool), isinstance(value, str)
    is_number = isinstance(value, int | float) and not is_bool
    if wanted == "string" and not is_text:
        return f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
    if wanted == "numeric" and not is_number:
        return f"expected numeric (int or float), got {_go_type(value)}"
    if wanted == "boolean" and not is_bool:
        return f"expected boolean, got &{{{go_value(value)}}}"
    if wanted == "untyped" and not (is_bool or is_text or is_number):
        return f"expected any scalar, got &{{{go_value(value)}}}"
    return ""


def _go_type(value: Any) -> str:
    names = {bool: "bool", str: "string", list: "[]interface {}", dict: "map[string]interface {}"}
    return names.get(type(value), "int64" if isinstance(value, int) else "float64")


def _go_syntax(value: Any) -> str:
    """fmt's %#v of what JSON decodes to."""
    if isinstance(value, dict):
        members = ", ".join(f"{_go_syntax(key)}:{_go_syntax(item)}" for key, item in sorted(value.items()))
        return f"map[string]interface {{}}{{{members}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    return orjson.dumps(value).decode() if value is not None else "interface {}(nil)"


def _map_problems(shape: Shape, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in sorted(value):
        place = shape.child(name)
        if place is None:
            yield f"{path}.{name}: field not declared in schema"
            return
        yield from _problems(place[1], value[name], f"{path}.{name}")


def _list_problems(shape: Shape, value: list[Any], path: str) -> Iterator[str]:
    element = shape.element
    assert element is not None
    seen: set[str] = set()
    for index, item in enumerate(value):
        where = f"[{index}]"
        if not shape.atomic:
            try:
                key = shape.item_key(item)
            except ValueError as error:
                yield f"{path}: element {index}: {error}"
                return
            where = element_text(key)
            if key in seen:
                yield f"{path}: duplicate entries for key {where}"
            seen.add(key)
        yield from _problems(element, item, path + where)


def fields_of(shape: Shape, obj: dict[str, Any]) -> Fields:
    """The fields that a configuration sets: leaves, items of lists, keys of maps; no field that only holds others."""
    return _node_of(shape, obj, named=True)


def _node_of(shape: Shape, value: Any, *, named: bool) -> Fields:
    """`named`: the place is a field that the schema names, which is no field of its own where it holds others."""
    if shape.is_leaf or value is None or not isinstance(value, dict | list):
        return LEAF
    inner: Fields = {}
    if isinstance(value, dict) and shape.kind is not Kind.LIST:
        for name, item in value.items():
            place = shape.child(name)
            if place is None:
                continue
            is_named = shape.field(name) is not None
            node = _node_of(place[1], item, named=is_named)
            # An empty list that is merged sets nothing.
            if node or item is None or item == {} or not is_named or not _merges_list(place[1], item):
                inner[place[0]] = node
    elif isinstance(value, list) and shape.kind is Kind.LIST:
        element = shape.element
        assert element is not None
        for item in value:
            try:
                inner[shape.item_key(item)] = _node_of(element, item, named=False)
            except ValueError:
                continue
    else:
        return LEAF
    return {SELF: LEAF, **inner} if inner and not named else inner


def _merges_list(shape: Shape, value: Any) -> bool:
    return isinstance(value, list) and shape.kind is Kind.LIST and not shape.atomic


def merge(shape: Shape, live: Any, applied: Any) -> Any:
    """`applied` laid over `live`. Raises TypedError where items of an applied list have no key."""
    merged = _merge(shape, live, applied)
    return None if merged is _MISSING else merged


def _merge(shape: Shape, live: Any, applied: Any) -> Any:
    """Either side may be missing; a result that holds nothing is missing, too."""
    sides = [side for side in (live, applied) if side is not _MISSING and side is not None]
    if not any(sides) or shape.is_leaf:
        return live if applied is _MISSING else applied
    if shape.kind is not Kind.LIST and all(isinstance(side, dict) for side in sides):
        return _merge_maps(shape, _or_empty(live, {}), _or_empty(applied, {}))
    if shape.kind is Kind.LIST and all(isinstance(side, list) for side in sides):
        return _merge_lists(shape, _or_empty(live, []), _or_empty(applied, []))
    return live if applied is _MISSING else applied


def _or_empty(side: Any, empty: Any) -> Any:
    return empty if side is _MISSING or side is None else side


def _merge_maps(shape: Shape, live: dict[str, Any], applied: dict[str, Any]) -> Any:
    merged: dict[str, Any] = {}
    for name in {**live, **applied}:
        place = shape.child(name)
        inner = ANY if place is None else place[1]
        value = _merge(inner, live.get(name, _MISSING), applied.get(name, _MISSING))
        if value is not _MISSING:
            merged[name] = value
    return merged or _MISSING


def _merge_lists(shape: Shape, live: list[Any], applied: list[Any]) -> Any:
    """Items that are applied in the order of the configuration, the others where they stood among them."""
    element = shape.element
    assert element is not None
    left, right = _keyed(shape, live), _keyed(shape, applied)
    before: dict[str, Any] = {}
    for key, item in left:
        # Of what the live list holds twice, nothing is merged.
        before[key] = _MISSING if key in before else item
    wanted = dict(right)
    merged: list[Any] = []
    done: set[str] = set()
    shared = iter([key for key, _ in right if key in before])
    next_shared = next(shared, None)

    def put(key: str, old: Any, new: Any) -> None:
        value = _merge(element, old, new)
        if value is not _MISSING:
            merged.append(value)

    at_left, at_right = 0, 0
    while at_left < len(left) or at_right < len(right):
        if at_left < len(left):
            key, item = left[at_left]
            if key not in wanted:
                put(key, item, _MISSING)
                at_left += 1
                continue
            if key in done or (at_right < len(right) and key != next_shared):
                at_left += 1
                continue
        if at_right == len(right):
            break
        key, item = right[at_right]
        put(key, before.get(key, _MISSING), item)
        done.add(key)
        at_right += 1
        if key == next_shared:
            next_shared = next(shared, None)
    return merged or _MISSING


def _keyed(shape: Shape, items: list[Any]) -> list[tuple[str, Any]]:
    found = []
    for index, item in enumerate(items):
        try:
            found.append((shape.item_key(item), item))
        except ValueError as error:
            raise TypedError(f"element {index}: {error}") from None
    return found


def remove(shape: Shape, value: Any, gone: Fields) -> Any:
    """`value` without the fields of `gone`; None where nothing is left."""
    if isinstance(value, dict) and shape.kind is not Kind.LIST and not shape.atomic:
        return _remove_from_map(shape, value, gone) or None
    if isinstance(value, list) and shape.kind is Kind.LIST and not shape.atomic:
        return _remove_from_list(shape, value, gone) or None
    return None if shape.atomic else value


def _remove_from_map(shape: Shape, value: dict[str, Any], gone: Fields) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, item in value.items():
        place = shape.child(name)
        node = None if place is None else gone.get(place[0])
        if place is None or node is None:
            kept[name] = item
        elif not has(gone, place[0]):
            kept[name] = remove(place[1], item, node)
    return kept


def _remove_from_list(shape: Shape, items: list[Any], gone: Fields) -> list[Any]:
    element = shape.element
    assert element is not None
    kept = []
    for item in items:
        try:
            key = shape.item_key(item)
        except ValueError:
            kept.append(item)
            continue
        node = gone.get(key)
        if node is None:
            kept.append(item)
        elif not has(gone, key):
            kept.append(remove(element, item, node))
    return kept


def with_named(shape: Shape, fields: Fields) -> Fields:
    """The set with each field that the schema names and that holds one of its members: `.spec` for `.spec.replicas`."""
    found: Fields = {}
    for key, node in fields.items():
        if not node:
            found[key] = node
            continue
        inner = shape
        is_named = False
        if key.startswith("f:"):
            place = shape.child(key[2:])
            inner = place[1] if place is not None else inner
            is_named = shape.field(key[2:]) is not None
        elif shape.element is not None:
            inner = shape.element
        below = with_named(inner, node)
        found[key] = {SELF: LEAF, **below} if is_named and SELF not in below else below
    return found


def made_atomic(shape: Shape, fields: Fields) -> Fields:
    """The set after the schema has changed: parts of what is one value now become that value."""
    found: Fields = {}
    for key, node in fields.items():
        inner: Shape | None = shape.element
        if key.startswith("f:"):
            place = shape.child(key[2:])
            inner = None if place is None else place[1]
        if not node or inner is None or inner.kind is Kind.SCALAR:
            found[key] = node
        else:
            found[key] = LEAF if inner.atomic else made_atomic(inner, node)
    return found
