"""Schedules, and the CronJob controller against a server in memory; Jobs that go when their time is up."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.cron import Cron, parse
from kube_actors.api.meta import annotations_of, name_of
from kube_actors.api.resources import EVENTS
from kube_actors.api.validation import schedule
from kube_actors.controllers.cronjob.controller import CRON_JOBS, CronJobController
from kube_actors.controllers.cronjob.schedule import missed
from kube_actors.controllers.job.controller import JOBS
from kube_actors.controllers.ttl_after_finished import TTLAfterFinishedController

# 22:13:20 on a Tuesday.
EPOCH = 1_700_000_000.0


def at(text: str, zone: str = "UTC") -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("* * * * *", "2026-01-01T00:00:30", "2026-01-01T00:01"),
        ("*/15 * * * *", "2026-01-01T00:15", "2026-01-01T00:30"),
        ("5-10/2 3 * * *", "2026-01-01T03:07", "2026-01-01T03:09"),
        ("10/20 * * * *", "2026-01-01T00:10", "2026-01-01T00:30"),
        ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("0 0 1,15 * *", "2026-01-02T00:00", "2026-01-15T00:00"),
        ("0 0 13 * fri", "2026-01-01T00:00", "2026-01-02T00:00"),
        ("0 0 * * sun", "2026-01-01T00:00", "2026-01-04T00:00"),
        ("0 0 */2 * mon", "2026-01-05T00:00", "2026-01-07T00:00"),
        ("0 12 * JUL ?", "2026-01-01T00:00", "2026-07-01T12:00"),
        ("@yearly", "2026-01-01T00:00", "2027-01-01T00:00"),
        ("@weekly", "2026-01-01T00:00", "2026-01-04T00:00"),
        ("@every 90m", "2026-01-01T00:00", "2026-01-01T01:30"),
    ],
)
def test_the_next_time_of_a_schedule(schedule: str, after: str, expected: str) -> None:
    assert parse(schedule).next(at(after), dt.UTC) == at(expected)


def test_a_day_that_never_comes_has_no_next_time() -> None:
    assert parse("0 0 30 2 *").next(EPOCH, dt.UTC) is None


@pytest.mark.parametrize(
    "text", ["", "* * * *", "60 * * * *", "* * * * 7", "*/0 * * * *", "5-1 * * * *", "x * * * *", "@never", "@every x"]
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


_PART = st.text("0123456789*?/-,+sunjaµμmh. ", max_size=7)


@given(st.tuples(_PART, _PART, _PART, _PART, _PART).map(" ".join) | _PART.map("@every {}".format))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_schedule_with_a_next_time_or_is_refused_with_a_reason(text: str) -> None:
    if reason := schedule.error(text):
        with pytest.raises(ValueError, match=re.escape(reason)):
            parse(text)
        return
    coming = parse(text).next(EPOCH, dt.UTC)
    assert coming is None or coming > EPOCH


@pytest.mark.parametrize(
    "text", ["0,,30 0 * * *", "+5 0 * * *", "@every -1h", "@every +1.5h", "@every 0", "0 0 * * sun,"]
)
def test_odd_spellings_that_cron_reads_are_schedules(text: str) -> None:
    assert schedule.error(text) == ""
    parse(text)


def test_a_schedule_follows_the_zone_through_the_change_of_clocks() -> None:
    zone = ZoneInfo("Europe/Berlin")
    daily = parse("30 2 * * *")
    # 2:30 does not exist on 29 March 2026, and comes twice on 25 October.
    assert daily.next(at("2026-03-28T03:00", "Europe/Berlin"), zone) == at("2026-03-30T02:30", "Europe/Berlin")
    first = daily.next(at("2026-10-25T00:00", "Europe/Berlin"), zone)
    assert first == at("2026-10-25T00:30")
    assert daily.next(first or 0, zone) == at("2026-10-25T01:30")
    assert parse("0 9 * * *").next(at("2026-07-01T00:00"), zone) == at("2026-07-01T07:00")


def test_a_day_that_begins_after_midnight_is_found() -> None:
    # In Santiago the clocks go from 0:00 to 1:00.
    zone = ZoneInfo("America/Santiago")
    found = parse("* * 6 9 *").next(at("2026-09-05T12:00", "America/Santiago"), zone)
    assert dt.datetime.fromtimestamp(found or 0, zone).isoformat() == "2026-09-06T01:00:00-03:00"


FIELD = st.sampled_from


@given(
    FIELD(["*", "0", "*/7", "1,30", "50-59"]),
    FIELD(["*", "0", "*/5", "22,23"]),
    FIELD(["*", "1", "*/10", "28-31"]),
    FIELD(["*", "1", "2,11"]),
    FIELD(["*", "0", "1-5"]),
    st.integers(0, 400 * 86400),
    FIELD(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
)
@settings(max_examples=60, deadline=None)
def test_the_next_time_is_the_first_minute_that_fits(
    minute: str, hour: str, day: str, month: str, weekday: str, offset: int, zone: str
) -> None:
    schedule = parse(f"{minute} {hour} {day} {month} {weekday}")
    assert isinstance(schedule, Cron)
    after = EPOCH + offset
    found = schedule.next(after, ZoneInfo(zone))
    assert found is not None
    assert found > after
    # Nothing in the two days before it (or since `after`) fits; it itself does.
    step = max(after - after % 60 + 60, found - 2 * 86400)
    while step < found:
        assert not fits(schedule, step, zone)
        step += 60
    assert fits(schedule, found, zone)


def fits(schedule: Cron, moment: float, zone: str) -> bool:
    local = dt.datetime.fromtimestamp(moment, ZoneInfo(zone))
    day, weekday = local.day in schedule.days, local.isoweekday() % 7 in schedule.weekdays
    right_day = (day and weekday) if schedule.any_day else (day or weekday)
    in_time = local.minute in schedule.minutes and local.hour in schedule.hours
    return right_day and in_time and local.month in schedule.months


def test_the_last_of_very_many_missed_times_is_found() -> None:
    every_minute = missed(parse("* * * * *"), EPOCH - 10 * 365 * 86400, EPOCH, dt.UTC)
    assert every_minute.last == EPOCH - EPOCH % 60
    assert every_minute.many
    workdays = missed(parse("0 9 * * 1-5"), EPOCH - 3 * 365 * 86400, EPOCH, dt.UTC)
    assert workdays.last == at("2023-11-14T09:00")
    assert missed(parse("0 9 * * *"), EPOCH - 60, EPOCH, dt.UTC).last is None


virtual = pytest.mark.looptime


def cron_job(of: Any, schedule: str = "* * * * *", **spec: Any) -> Obj:
    template = {"spec": {"template": {"spec": {"containers": []}}}, "metadata": {"labels": {"l": "1"}}}
    wanted = {
        "schedule": schedule,
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
        "jobTemplate": template,
        **spec,
    }
    obj: Obj = of("CronJob", "tick", spec=wanted, creationTimestamp=rfc3339(EPOCH))
    return obj


def finish(server: Any, job: Obj, kind: str = "Complete") -> None:
    now = rfc3339(server._clock.now())
    condition = {"type": kind, "status": "True", "lastTransitionTime": now}
    job["status"] = {"conditions": [condition], "startTime": job["metadata"]["creationTimestamp"]}
    if kind == "Complete":
        job["status"]["completionTime"] = now
    server.put(job)


def status(server: Any) -> Obj:
    found: Obj = server.peek(CRON_JOBS, "default/tick").get("status") or {}
    return found


def reasons(server: Any) -> set[str]:
    return {event["reason"] for event in server.objects(EVENTS)}


@virtual
async def test_a_job_a_minute_named_after_its_minute(server: Any, run: Any, of: Any) -> None:
    server.put(cron_job(of))
    await run(CronJobController)
    await asyncio.sleep(100)
    jobs = server.objects(JOBS)
    first = int(EPOCH) // 60 + 1
    assert sorted(map(name_of, jobs)) == [f"tick-{first}", f"tick-{first + 1}"]
    assert jobs[0]["metadata"]["labels"] == {"l": "1"}
    assert annotations_of(jobs[0])["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "2023-11-14T22:14:00Z"
    assert [ref["name"] for ref in status(server)["active"]] == [f"tick-{first}", f"tick-{first + 1}"]
    assert status(server)["lastScheduleTime"] == "2023-11-14T22:15:00Z"


@virtual
async def test_forbid_waits_for_the_end_of_the_job_before(server: Any, run: Any, of: Any) -> None:
    server.put(cron_job(of, concurrencyPolicy="Forbid"))
    await run(CronJobController)
    await asyncio.sleep(200)
    (job,) = server.objects(JOBS)
    assert "JobAlreadyActive" in reasons(server)
    finish(server, job)
    await asyncio.sleep(1)
    # The missed time is made up for as soon as there is room.
    assert len(server.objects(JOBS)) == 2
    assert status(server)["lastSuccessfulTime"]
    assert "SawCompletedJob" in reasons(server)


@virtual
async def test_replace_ends_the_job_before(server: Any, run: Any, of: Any) -> None:
    server.put(cron_job(of, concurrencyPolicy="Replace"))
    await run(CronJobController)
    await asyncio.sleep(170)
    (job,) = server.objects(JOBS)
    assert [ref["name"] for ref in status(server)["active"]] == [name_of(job)]
    assert len([each for each in server.changes("create") if each[1] == JOBS.qualified]) == 3


@virtual
async def test_a_suspended_cron_job_starts_nothing_until_it_goes_on(server: Any, run: Any, of: Any) -> None:
    server.put(cron_job(of, suspend=True))
    await run(CronJobController)
    await asyncio.sleep(600)
    assert server.objects(JOBS) == []
    current = server.peek(CRON_JOBS, "default/tick")
    current["spec"]["suspend"] = False
    server.put(current)
    await asyncio.sleep(1)
    assert len(server.objects(JOBS)) == 1


@virtual
async def test_a_starting_deadline_leaves_out_what_is_too_late(server: Any, run: Any, of: Any) -> None:
    wanted = cron_job(of, "0 * * * *", startingDeadlineSeconds=60)
    wanted["metadata"]["creationTimestamp"] = rfc3339(EPOCH - 3600)
    server.put(wanted)
    await run(CronJobController)
    assert server.objects(JOBS) == []
    await asyncio.sleep(3600)
    assert len(server.objects(JOBS)) == 1


@virtual
async def test_finished_jobs_are_kept_to_their_limits(server: Any, run: Any, of: Any) -> None:
    server.put(cron_job(of, successfulJobsHistoryLimit=2, failedJobsHistoryLimit=1))
    await run(CronJobController)
    for number in range(8):
        await asyncio.sleep(60)
        for job in server.objects(JOBS):
            if not job.get("status"):
                finish(server, job, "Complete" if number % 2 else "Failed")
    await asyncio.sleep(1)
    ends = [job["status"]["conditions"][0]["type"] for job in server.objects(JOBS)]
    assert sorted(ends) == ["Complete", "Complete", "Failed"]
    assert status(server).get("active", []) == []


@virtual
async def test_a_stale_cache_starts_no_job_twice(server: Any, run: Any, of: Any) -> None:
    server.lag = 20.0
    server.put(cron_job(of))
    await run(CronJobController)
    await asyncio.sleep(400)
    created = [key for _, plural, key in server.changes("create") if plural == JOBS.qualified]
    assert len(created) == len(set(created))
    assert len(created) >= 5
    # The cache does not show the status that names it yet.
    assert "UnexpectedJob" not in reasons(server)


@virtual
async def test_a_job_of_somebody_else_is_told(server: Any, run: Any, of: Any) -> None:
    owner = server.put(cron_job(of, "0 0 1 1 *"))
    server.put(of("Job", "stranger", owner=owner))
    await run(CronJobController)
    text = "Saw a job that the controller did not create or forgot: stranger"
    assert text in {event["message"] for event in server.objects(EVENTS)}


@virtual
async def test_a_job_that_somebody_deleted_leaves_the_active_list(server: Any, run: Any, of: Any) -> None:
    server.put(cron_job(of, "0 * * * *"))
    await run(CronJobController)
    await asyncio.sleep(3600)
    (job,) = server.objects(JOBS)
    server.remove(JOBS, f"default/{name_of(job)}")
    await asyncio.sleep(1)
    assert status(server).get("active", []) == []
    assert "MissingJob" in reasons(server)


@virtual
@pytest.mark.parametrize(
    ("spec", "reason"), [({"timeZone": "No/Where"}, "UnknownTimeZone"), ({"schedule": "x"}, "UnparseableSchedule")]
)
async def test_what_cannot_be_understood_is_told(server: Any, run: Any, of: Any, spec: Any, reason: str) -> None:
    wanted = cron_job(of)
    wanted["spec"] |= spec
    server.put(wanted)
    manager = await run(CronJobController)
    assert reason in reasons(server)
    assert manager.counters.of("cronjob").errors == 0


@virtual
async def test_a_job_goes_when_its_time_to_live_is_over(server: Any, run: Any, of: Any) -> None:
    job = of("Job", "work", spec={"ttlSecondsAfterFinished": 100}, creationTimestamp=rfc3339(EPOCH))
    server.put(job)
    await run(TTLAfterFinishedController)
    await asyncio.sleep(200)
    finish(server, server.peek(JOBS, "default/work"), "Failed")
    await asyncio.sleep(98)
    current = server.peek(JOBS, "default/work")
    current["spec"]["ttlSecondsAfterFinished"] = 150
    server.put(current)
    await asyncio.sleep(45)
    assert server.peek(JOBS, "default/work") is not None
    assert "deletionTimestamp" not in server.peek(JOBS, "default/work")["metadata"]
    await asyncio.sleep(10)
    gone = server.peek(JOBS, "default/work")
    assert gone is None or gone["metadata"]["finalizers"] == ["foregroundDeletion"]
