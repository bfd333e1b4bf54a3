"""When a Job has failed and when it has succeeded: podFailurePolicy and successPolicy."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.gotext import go_quote
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")
_RULES_MAX, _PATTERNS_MAX, _EXIT_CODES_MAX = 20, 20, 255
_INDEXES_TEXT_MAX = 64 * 1024


class IndexesError(ValueError):
    """Indexes that are not written as `1,3-5,7`, or not in order, or too large."""


def pod_failure_policy(causes: Causes, spec: Obj, path: str) -> None:
    """What a failed pod means for its Job, by its exit codes or its conditions."""
    rules = spec["podFailurePolicy"].get("rules") or ()
    if len(rules) > _RULES_MAX:
        causes.too_many(f"{path}.rules", len(rules), _RULES_MAX)
    pods = (spec.get("template") or {}).get("spec") or {}
    containers = {one.get("name") for field in ("initContainers", "containers") for one in pods.get(field) or ()}
    for index, rule in enumerate(rules):
        _failure_rule(causes, rule, f"{path}.rules[{index}]", containers, per_index="backoffLimitPerIndex" in spec)


def _failure_rule(causes: Causes, rule: Obj, path: str, containers: set[str | None], *, per_index: bool) -> None:
    action = rule.get("action", "")
    if not action:
        causes.required(f"{path}.action", f"valid values: {_listed(_ACTIONS)}")
    elif action == "FailIndex":
        if not per_index:
            causes.invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set")
    elif action not in _ACTIONS:
        causes.unsupported(f"{path}.action", action, _ACTIONS)
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
    if codes is not None:
        _exit_codes(causes, codes, f"{path}.onExitCodes", containers)
    if conditions:
        _conditions(causes, conditions, f"{path}.onPodConditions")
    if codes is not None and conditions:
        causes.invalid_as_a_whole(path, "specifying both OnExitCodes and OnPodConditions is not supported")
    if codes is None and not conditions:
        causes.invalid_as_a_whole(path, "specifying one of OnExitCodes and OnPodConditions is required")


def _listed(values: tuple[str, ...]) -> str:
    return f"[{' '.join(map(go_quote, values))}]"


def _exit_codes(causes: Causes, codes: Obj, path: str, containers: set[str | None]) -> None:
    operator = codes.get("operator", "")
    if not operator:
        causes.required(f"{path}.operator", f"valid values: {_listed(_OPERATORS)}")
    elif operator not in _OPERATORS:
        causes.unsupported(f"{path}.operator", operator, _OPERATORS)
    name = codes.get("containerName")
    if name is not None and name not in containers:
        text = "must be one of the container or initContainer names in the pod template"
        causes.invalid(f"{path}.containerName", name, text)
    values = codes.get("values") or []
    if not values:
        causes.invalid(f"{path}.values", codes.get("values"), "at least one value is required")
    elif len(values) > _EXIT_CODES_MAX:
        causes.too_many(f"{path}.values", len(values), _EXIT_CODES_MAX)
    seen: set[int] = set()
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            causes.invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator")
        if value in seen:
            causes.duplicate(f"{path}.values[{index}]", value)
        seen.add(value)
    if values != sorted(values):
        causes.invalid(f"{path}.values", values, "must be ordered")


def _conditions(causes: Causes, patterns: list[Obj], path: str) -> None:
    if len(patterns) > _PATTERNS_MAX:
        causes.too_many(path, len(patterns), _PATTERNS_MAX)
    for index, pattern in enumerate(patterns):
        kind, status = pattern.get("type", ""), pattern.get("status", "")
        causes.each_invalid(f"{path}[{index}].type", kind, names.qualified_name(kind))
        if not status:
            causes.required(f"{path}[{index}].status", f"valid values: {_listed(_STATUSES)}")
        elif status not in _STATUSES:
            causes.unsupported(f"{path}[{index}].status", status, _STATUSES)


def success_policy(causes: Causes, spec: Obj, path: str) -> None:
    """Which indexes, or how many of them, make an Indexed Job succeed before all have."""
    policy = spec["successPolicy"]
    if spec.get("completionMode") != "Indexed":
        causes.invalid(path, {"Rules": policy.get("rules")}, "requires indexed completion mode")
        return
    rules = policy.get("rules") or ()
    if not rules:
        text = "at least one rules must be specified when the successPolicy is specified"
        causes.required(f"{path}.rules", text)
    if len(rules) > _RULES_MAX:
        causes.too_many(f"{path}.rules", len(rules), _RULES_MAX)
    for index, rule in enumerate(rules):
        _success_rule(causes, rule, spec.get("completions", 0), f"{path}.rules[{index}]")


def _success_rule(causes: Causes, rule: Obj, completions: int, path: str) -> None:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        causes.required(path, "at least one of succeededCount or succeededIndexes must be specified")
    total = 0
    if indexes is not None:
        where = f"{path}.succeededIndexes"
        if len(indexes) > _INDEXES_TEXT_MAX:
            causes.too_long(where, _INDEXES_TEXT_MAX)
        try:
            total = count_indexes(indexes, completions)
        except IndexesError as error:
            causes.invalid(where, indexes, f"error parsing succeededIndexes: {error}")
    if count is None:
        return
    where = f"{path}.succeededCount"
    causes.not_negative(where, count)
    if count > completions:
        text = f"must be less than or equal to {completions} (the number of specified completions)"
        causes.invalid(where, count, text)
    if indexes is not None and count > total:
        text = f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        causes.invalid(where, count, text)


def count_indexes(text: str, completions: int) -> int:
    """How many indexes `1,3-5,7` names, all below `completions`. Raises IndexesError."""
    total, last = 0, -1
    for interval in text.split(",") if text else ():
        limits = interval.split("-")
        if len(limits) > 2:
            what = "violates the requirement that an index interval can have at most two parts separated by '-'"
            raise IndexesError(f"the fragment {go_quote(interval)} {what}")
        first = last
        for place, limit in enumerate(limits):
            number = _index(limit, completions)
            if number <= last:
                raise IndexesError(f"non-increasing order, previous: {last}, current: {number}")
            total += number - first if place else 1
            first = last = number
    return total


def _index(text: str, completions: int) -> int:
    if not (text.isascii() and text.isdigit()):
        raise IndexesError(f"cannot convert string to integer for index: {go_quote(text)}")
    if int(text) >= completions:
        raise IndexesError(f"too large index: {go_quote(text)}")
    return int(text)
