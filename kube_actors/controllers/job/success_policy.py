"""successPolicy: whether enough indexes have succeeded, though not all. Pure."""

from __future__ import annotations

from collections.abc import Set

from kube_actors.api import Obj
from kube_actors.controllers.job.indexes import parse


def matched(policy: Obj | None, completions: int, succeeded: Set[int]) -> str | None:
    """What the condition says of the first rule that is met; None where none is."""
    if policy is None or not succeeded:
        return None
    for number, rule in enumerate(policy.get("rules") or ()):
        if _met(rule, completions, succeeded):
            return f"Matched rules at index {number}"
    return None


def _met(rule: Obj, completions: int, succeeded: Set[int]) -> bool:
    count = rule.get("succeededCount")
    if rule.get("succeededIndexes") is None:
        return count is not None and len(succeeded) >= count
    wanted = parse(rule["succeededIndexes"], completions)
    reached = len(wanted & succeeded)
    return bool(wanted) and (reached == len(wanted) or (count is not None and reached >= count))
