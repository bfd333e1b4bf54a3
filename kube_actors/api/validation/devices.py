"""What the kinds of resource.k8s.io have in common: names, selectors, configuration (pkg/apis/resource/validation)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import orjson

from kube_actors.api import Obj
from kube_actors.api.validation import expressions, names
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.storage import driver_name

SELECTORS_MAX, CONFIGS_MAX = 32, 32
TAINT_EFFECTS = ("NoExecute", "NoSchedule", "None")
_POOL_NAME_MAX, _NAME_MAX, _PARAMETERS_BYTES, _BINDING_MAX = 253, 32, 10 * 1024, 4
_EXPRESSION_BYTES = 10 * 1024
_OPERATORS = ("Equal", "Exists")

Check = Callable[[Causes, Any, str], None]


def each(causes: Causes, items: list[Any], limit: int, check: Check, path: str) -> bool:
    """Check every item, unless there are too many; whether there were not."""
    if limit >= 0 and len(items) > limit:
        causes.too_many(path, len(items), limit)
        return False
    for index, item in enumerate(items):
        check(causes, item, f"{path}[{index}]")
    return True


def unique(
    causes: Causes, items: list[Any], limit: int, check: Check, key: Callable[[Any], Hashable], path: str
) -> None:
    """As `each`, and no two with the same key."""
    if not each(causes, items, limit, check, path):
        return
    seen: set[Hashable] = set()
    for index, item in enumerate(items):
        found = key(item)
        if found in seen:
            causes.duplicate(f"{path}[{index}]", found)
        seen.add(found)


def mapping(causes: Causes, items: Mapping[str, Any], limit: int, check_name: Check, check: Check, path: str) -> None:
    """Check every name and every value of a map, unless there are too many."""
    if limit >= 0 and len(items) > limit:
        causes.too_many(path, len(items), limit)
        return
    for name, item in items.items():
        check_name(causes, name, path)
        check(causes, item, f"{path}[{name}]")


def label(causes: Causes, name: str, path: str) -> None:
    causes.each_invalid(path, name, names.dns_label(name))


def label_key(causes: Causes, name: str, path: str) -> None:
    causes.each_invalid(path, name, names.qualified_name(name))


def required_label(causes: Causes, name: str, path: str) -> None:
    if name:
        label(causes, name, path)
    else:
        causes.required(path)


def pool_name(causes: Causes, name: str, path: str) -> None:
    """Subdomains with slashes between them."""
    if not name:
        causes.required(path)
        return
    if len(name) > _POOL_NAME_MAX:
        causes.too_long(path, _POOL_NAME_MAX)
    for part in name.split("/"):
        causes.each_invalid(path, part, names.dns_subdomain(part))


def qualified(causes: Causes, name: str, path: str) -> None:
    """`domain/identifier` or `identifier`: an attribute or a capacity of a device."""
    parts = name.split("/")
    if len(parts) == 1:
        _identifier(causes, name, path)
        return
    domain, rest = parts[0], parts[1]
    if domain:
        driver_name(causes, domain, path)
    else:
        causes.invalid(path, "", "the domain must not be empty")
    if rest:
        _identifier(causes, rest, path)
    else:
        causes.invalid(path, "", "the name must not be empty")


def fully_qualified(causes: Causes, name: str, path: str) -> None:
    """`domain/identifier`."""
    qualified(causes, name, path)
    if "/" not in name:
        causes.invalid(path, name, "a fully qualified name must be a domain and a name separated by a slash")


def _identifier(causes: Causes, name: str, path: str) -> None:
    if len(name) > _NAME_MAX:
        causes.too_long(path, _NAME_MAX)
    causes.each_invalid(path, name, names.c_identifier(name))


def selector(causes: Causes, one: Obj, path: str) -> None:
    """An expression that picks devices."""
    if "cel" not in one:
        causes.required(f"{path}.cel")
        return
    text = one["cel"].get("expression", "")
    if len(text) > _EXPRESSION_BYTES:
        causes.too_long(f"{path}.cel.expression", _EXPRESSION_BYTES)
    else:
        expressions.device(causes, text, f"{path}.cel.expression")


def configuration(causes: Causes, one: Obj, path: str) -> None:
    """Parameters for a driver, opaque to Kubernetes."""
    opaque = one.get("opaque")
    if opaque is None:
        causes.required(f"{path}.opaque")
        return
    driver_name(causes, opaque.get("driver", ""), f"{path}.opaque.driver")
    raw_object(causes, opaque.get("parameters"), f"{path}.opaque.parameters", _PARAMETERS_BYTES)


def raw_object(causes: Causes, value: Any, path: str, limit: int) -> None:
    """Any JSON object, of bounded size."""
    if value is None:
        causes.required(path)
    elif len(orjson.dumps(value)) > limit:
        causes.too_long(path, limit)
    elif not isinstance(value, dict):
        causes.invalid(path, "<value omitted>", "must be a valid JSON object")


def toleration(causes: Causes, one: Obj, path: str) -> None:
    """A taint of a device that does not matter."""
    operator, value, effect = one.get("operator", ""), one.get("value", ""), one.get("effect", "")
    if one.get("key"):
        label_key(causes, one["key"], f"{path}.key")
    if operator == "Exists":
        if value:
            causes.invalid(f"{path}.value", value, "must be empty for operator `Exists`")
    elif operator == "Equal":
        causes.each_invalid(f"{path}.value", value, names.label_value(value))
    else:
        causes.one_of(f"{path}.operator", operator, _OPERATORS)
    if effect and effect not in TAINT_EFFECTS:
        causes.unsupported(f"{path}.effect", effect, TAINT_EFFECTS)


def taint(causes: Causes, one: Obj, path: str) -> None:
    """Why a device is not for everybody."""
    label_key(causes, one.get("key", ""), f"{path}.key")
    if one.get("value"):
        causes.each_invalid(f"{path}.value", one["value"], names.label_value(one["value"]))
    causes.one_of(f"{path}.effect", one.get("effect"), TAINT_EFFECTS)


def binding_conditions(causes: Causes, one: Obj, path: str) -> None:
    """What has to become true of a device before pods start, and what means that it never will."""
    wanted, failures = one.get("bindingConditions") or [], one.get("bindingFailureConditions") or []
    both = (("bindingConditions", wanted), ("bindingFailureConditions", failures))
    for field, items in both:
        each(causes, items, _BINDING_MAX, label_key, f"{path}.{field}")
    for field, items in both:
        for index, item in enumerate(items):
            if item in items[:index]:
                causes.duplicate(f"{path}.{field}[{index}]", item)
            if items is failures and item in wanted:
                text = "bindingFailureConditions must not overlap with bindingConditions"
                causes.invalid(f"{path}.{field}[{index}]", item, text)
    for (field, items), (other, others) in (both, both[::-1]):
        if not items and others:
            causes.invalid(f"{path}.{field}", Raw("null"), f"{field} are required to use {other}")
