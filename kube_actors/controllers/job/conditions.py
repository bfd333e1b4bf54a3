"""The conditions of a Job. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.controllers import conditions

COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
FAILURE_TARGET, SUCCESS_CRITERIA_MET = "FailureTarget", "SuccessCriteriaMet"


def make(kind: str, status: str, reason: str, message: str, now: float) -> Obj:
    """A Job's condition, which has a lastProbeTime besides."""
    return conditions.make(kind, status, reason, message, now) | {"lastProbeTime": rfc3339(now)}


def is_set(present: Iterable[Obj], kind: str) -> Obj | None:
    """The condition of that type where it is True."""
    found = conditions.find(present, kind)
    return found if found is not None and found.get("status") == "True" else None


def is_finished(job: Obj) -> bool:
    present = (job.get("status") or {}).get("conditions") or ()
    return any(is_set(present, kind) for kind in (COMPLETE, FAILED))


def put(present: list[Obj], new: Obj) -> list[Obj]:
    """The conditions with `new`; unchanged where it says the same, and where nothing becomes False."""
    old = conditions.find(present, new["type"])
    if old is None:
        return [*present, new] if new["status"] != "False" else present
    fields = ("status", "reason", "message")
    if [old.get(field) for field in fields] == [new.get(field) for field in fields]:
        return present
    return [new if each is old else each for each in present]
