"""CronJob: a Job at every time of a schedule (k8s.io/kubernetes/pkg/apis/batch/validation)."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.defaults.pods import pod_template
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import names, schedule
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.jobs import job_spec
from kube_actors.api.validation.metadata import shown_selector
from kube_actors.api.validation.rules import Rules

# Its Jobs are named after it, with eleven characters more.
_NAME_MAX = 52
_CONCURRENCY = ("Allow", "Forbid", "Replace")


def _defaults(obj: Obj) -> None:
    spec = obj["spec"]
    spec.setdefault("concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    pod_template(spec.get("jobTemplate", {}).get("spec", {}).get("template"))


def _create(causes: Causes, obj: Obj) -> None:
    _change(causes, obj, {})


def _change(causes: Causes, new: Obj, old: Obj) -> None:
    """A time zone that was accepted once is not looked up again."""
    spec, before = new["spec"], old.get("spec") or {}
    _schedule(causes, spec, had_zone="TZ" in before.get("schedule", ""))
    if "startingDeadlineSeconds" in spec:
        causes.not_negative("spec.startingDeadlineSeconds", spec["startingDeadlineSeconds"])
    if "timeZone" in spec and spec["timeZone"] != before.get("timeZone"):
        _time_zone(causes, spec["timeZone"])
    causes.one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), _CONCURRENCY)
    _job_template(causes, (spec.get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec")
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        if field in spec:
            causes.not_negative(f"spec.{field}", spec[field])


def _schedule(causes: Causes, spec: Obj, *, had_zone: bool) -> None:
    """`had_zone`: the old schedule names a time zone itself, which a new one may not."""
    text = spec.get("schedule", "")
    if not text:
        causes.required("spec.schedule")
        return
    wrong = schedule.error(text)
    if wrong:
        causes.invalid("spec.schedule", text, wrong)
    if "TZ" in text and not had_zone:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        causes.invalid("spec.schedule", text, detail)
    elif "TZ" in text and "timeZone" in spec:
        causes.invalid("spec.schedule", text, "cannot use both timeZone field and TZ or CRON_TZ in schedule")


def _time_zone(causes: Causes, zone: str) -> None:
    if not zone:
        causes.invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string")
    elif zone.lower() == "local":
        causes.invalid("spec.timeZone", zone, "timeZone must be an explicit time zone as defined in the IANA database")
    elif zone not in zoneinfo.available_timezones():
        causes.invalid("spec.timeZone", zone, f"unknown time zone {zone}")


def _job_template(causes: Causes, spec: Obj, path: str) -> None:
    job_spec(causes, spec, path)
    if "selector" in spec:
        causes.invalid(f"{path}.selector", shown_selector(spec["selector"]), "`selector` will be auto-generated")
    if spec.get("manualSelector"):
        causes.unsupported(f"{path}.manualSelector", True, ("nil", "false"))


def _cron_name(name: str) -> Iterable[str]:
    wrong = list(names.dns_subdomain(name))
    if len(name) > _NAME_MAX:
        wrong.append(f"must be no more than {_NAME_MAX} characters")
    return wrong


KIND = Kind(
    rules=Rules(create=_create, update=_change, name=_cron_name),
    defaults=_defaults,
    counted=("spec",),
)
