"""Whether tolerations tolerate a taint, as component-helpers' ToleratesTaint has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kube_actors.scheduler.columns.nodes import Taint

NO_SCHEDULE, NO_EXECUTE, PREFER_NO_SCHEDULE = "NoSchedule", "NoExecute", "PreferNoSchedule"


def tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    key, value, effect = taint
    if toleration.get("effect") and toleration["effect"] != effect:
        return False
    if toleration.get("key") and toleration["key"] != key:
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    return operator == "Equal" and bool(toleration.get("key")) and (toleration.get("value") or "") == value


def tolerated(tolerations: Iterable[Mapping[str, Any]], taint: Taint) -> bool:
    return any(tolerates(toleration, taint) for toleration in tolerations)
