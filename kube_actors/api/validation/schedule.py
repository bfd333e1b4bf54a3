"""What is wrong with the schedule of a CronJob, in the words of robfig/cron."""

from __future__ import annotations

import zoneinfo

from kube_actors.api import cron


def error(text: str) -> str:
    """What is wrong with a schedule; empty for a valid one."""
    if not text:
        return "empty spec string"
    if text.startswith(("TZ=", "CRON_TZ=")):
        zone, _, text = text.partition("=")[2].partition(" ")
        if zone not in zoneinfo.available_timezones():
            return f"provided bad location {zone}: unknown time zone {zone}"
        text = text.strip()
    try:
        cron.parse(text)
    except ValueError as problem:
        return str(problem)
    return ""
