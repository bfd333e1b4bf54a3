"""What the Jobs of a CronJob tell of it: its active list, its last success, which finished ones go. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import get_path, name_of, namespace_of, uid_of
from kube_actors.controllers.actions import NORMAL, WARNING, RecordEvent
from kube_actors.controllers.job.conditions import COMPLETE, FAILED, is_set


def end_of(job: Obj) -> str:
    """The type of the condition that ended the Job; empty while it has not ended."""
    present = get_path(job, "status", "conditions", default=[])
    return next((kind for kind in (COMPLETE, FAILED) if is_set(present, kind)), "")


def reference(job: Obj) -> Obj:
    """How the active list names a Job."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "namespace": namespace_of(job),
        "name": name_of(job),
        "uid": uid_of(job),
        "resourceVersion": job["metadata"].get("resourceVersion", ""),
    }


def is_unexpected(owner: Obj, job: Obj) -> bool:
    """Whether it runs, and the active list does not know of it."""
    active = {ref.get("uid") for ref in (owner.get("status") or {}).get("active") or ()}
    return not end_of(job) and uid_of(job) not in active


def observe(owner: Obj, jobs: Iterable[Obj], gone: Iterable[str]) -> tuple[Obj, list[RecordEvent]]:
    """(the status after a look at the Jobs, what to tell). `gone`: uids of active Jobs that are no more."""
    status: Obj = dict(owner.get("status") or {})
    active = {str(ref.get("uid")): ref for ref in status.get("active") or ()}
    events: list[RecordEvent] = []
    for job in jobs:
        uid, end = uid_of(job), end_of(job)
        if uid in active and end:
            del active[uid]
            text = f"Saw completed job: {name_of(job)}, condition: {end}"
            events.append(RecordEvent(owner, NORMAL, "SawCompletedJob", text))
        elif is_unexpected(owner, job):
            text = f"Saw a job that the controller did not create or forgot: {name_of(job)}"
            events.append(RecordEvent(owner, WARNING, "UnexpectedJob", text))
        if end == COMPLETE:
            _note_success(status, job)
    for uid in gone:
        if (ref := active.pop(uid, None)) is not None:
            text = f"Active job went missing: {ref.get('name')}"
            events.append(RecordEvent(owner, NORMAL, "MissingJob", text))
    return status | {"active": list(active.values())}, events


def _note_success(status: Obj, job: Obj) -> None:
    done = get_path(job, "status", "completionTime")
    if done and (not status.get("lastSuccessfulTime") or done > status["lastSuccessfulTime"]):
        status["lastSuccessfulTime"] = done


def surplus(owner: Obj, jobs: Sequence[Obj]) -> list[Obj]:
    """Finished Jobs beyond the history limits, oldest first."""
    limits = {COMPLETE: "successfulJobsHistoryLimit", FAILED: "failedJobsHistoryLimit"}
    found: list[Obj] = []
    for end, field in limits.items():
        limit = owner["spec"].get(field)
        finished = sorted((job for job in jobs if end_of(job) == end), key=_age)
        if limit is not None:
            found += finished[: max(len(finished) - limit, 0)]
    return found


def _age(job: Obj) -> tuple[float, str]:
    text = get_path(job, "status", "startTime")
    return (parse_rfc3339(text) if text else float("inf")), name_of(job)
