"""Whether a CronJob is to start a Job now, and when to look again. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.cron import Schedule, parse
from kube_actors.api.meta import annotations_of, controller_ref, labels_of, name_of, namespace_of
from kube_actors.controllers.actions import NORMAL, WARNING, RecordEvent
from kube_actors.controllers.cronjob.schedule import Missed, missed

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
# A little after the time itself, so that it has come when the timer rings.
DELTA = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """`start`: the scheduled time of the Job to create. `replace`: active Jobs that end before that."""

    start: float | None = None
    replace: tuple[Obj, ...] = ()
    events: tuple[RecordEvent, ...] = ()
    look_again: float | None = None


def plan(owner: Obj, now: float) -> Plan:
    """`owner` has the status of this sync: its active list is what concurrencyPolicy looks at."""
    spec = owner["spec"]
    try:
        zone = zone_of(owner)
    except (ValueError, OSError, KeyError) as error:
        return _told(owner, WARNING, "UnknownTimeZone", f'invalid timeZone: "{spec.get("timeZone")}": {error}')
    if spec.get("suspend"):
        return Plan()
    try:
        schedule = parse(spec["schedule"])
    except ValueError as error:
        return _told(owner, WARNING, "UnparseableSchedule", f'unparseable schedule: "{spec["schedule"]}" : {error}')
    upcoming = schedule.next(now, zone)
    again = None if upcoming is None else upcoming - now + DELTA
    due = _due(owner, schedule, zone, now)
    events: list[RecordEvent] = []
    if due.many:
        text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        events.append(RecordEvent(owner, WARNING, "TooManyMissedTimes", text))
    if due.last is None or _started(owner, due.last):
        return Plan(events=tuple(events), look_again=again)
    if _too_late(owner, due.last, now):
        when = dt.datetime.fromtimestamp(due.last, dt.UTC).strftime("%a, %d %b %Y %H:%M:%S %z")
        events.append(RecordEvent(owner, WARNING, "MissSchedule", f"Missed scheduled time to start a job: {when}"))
        return Plan(events=tuple(events), look_again=again)
    active = tuple((owner.get("status") or {}).get("active") or ())
    policy = spec.get("concurrencyPolicy", "Allow")
    if policy == "Forbid" and active:
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        events.append(RecordEvent(owner, NORMAL, "JobAlreadyActive", text))
        return Plan(events=tuple(events), look_again=again)
    return Plan(due.last, active if policy == "Replace" else (), tuple(events), again)


def zone_of(owner: Obj) -> dt.tzinfo:
    """The CronJob's time zone; without one that of the controllers, which is UTC here."""
    name = owner["spec"].get("timeZone")
    return ZoneInfo(name) if name else dt.UTC


def job_name(owner: Obj, scheduled: float) -> str:
    return f"{name_of(owner)}-{int(scheduled) // 60}"


def job_for(owner: Obj, scheduled: float) -> Obj:
    """The Job of a scheduled time."""
    template = owner["spec"]["jobTemplate"]
    given: Obj = {"metadata": template.get("metadata") or {}}
    when = dt.datetime.fromtimestamp(int(scheduled), zone_of(owner)).isoformat().replace("+00:00", "Z")
    metadata: Obj = {
        "name": job_name(owner, scheduled),
        "namespace": namespace_of(owner),
        "annotations": annotations_of(given) | {SCHEDULED: when},
        "ownerReferences": [controller_ref(owner)],
    }
    if labels := labels_of(given):
        metadata["labels"] = dict(labels)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}


def _due(owner: Obj, schedule: Schedule, zone: dt.tzinfo, now: float) -> Missed:
    """The last time that has come since the last start, or within the starting deadline."""
    last = (owner.get("status") or {}).get("lastScheduleTime") or owner["metadata"].get("creationTimestamp")
    since = parse_rfc3339(last) if last else now
    deadline = owner["spec"].get("startingDeadlineSeconds")
    if deadline is not None:
        since = max(since, now - deadline)
    return missed(schedule, since, now, zone)


def _started(owner: Obj, scheduled: float) -> bool:
    status = owner.get("status") or {}
    last = status.get("lastScheduleTime")
    if last and parse_rfc3339(last) == scheduled:
        return True
    return any(ref.get("name") == job_name(owner, scheduled) for ref in status.get("active") or ())


def _too_late(owner: Obj, scheduled: float, now: float) -> bool:
    deadline = owner["spec"].get("startingDeadlineSeconds")
    return deadline is not None and bool(scheduled + deadline < now)


def _told(owner: Obj, kind: str, reason: str, message: str) -> Plan:
    """Nothing to be done until somebody changes the CronJob."""
    return Plan(events=(RecordEvent(owner, kind, reason, message),))
