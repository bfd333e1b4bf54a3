"""Jobs and CronJobs (k8s.io/kubernetes/pkg/apis/batch/validation)."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.selectors import LabelSelector
from kube_actors.api.validation import names, schedule
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.metadata import label_selector
from kube_actors.api.validation.pods import template
from kube_actors.api.validation.rules import Rules

# Jobs of a CronJob are named after it, with eleven characters more.
_CRON_NAME_MAX = 52
_MODES = ("NonIndexed", "Indexed")
_CONCURRENCY = ("Allow", "Forbid", "Replace")
_COUNTS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
    "backoffLimitPerIndex", "maxFailedIndexes",
)  # fmt: skip
_IMMUTABLE = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")


def _job_spec(causes: Causes, spec: Obj, path: str) -> None:
    for field in _COUNTS:
        if field in spec:
            causes.not_negative(f"{path}.{field}", spec[field])
    mode = spec.get("completionMode")
    if mode is not None:
        if mode not in _MODES:
            causes.unsupported(f"{path}.completionMode", mode, _MODES)
        elif mode == "Indexed" and "completions" not in spec:
            causes.required(f"{path}.completions", "when completion mode is Indexed")
    template(causes, spec.get("template"), f"{path}.template")
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy", "")
    if policy in ("", "Always"):
        causes.required(f"{path}.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        causes.unsupported(f"{path}.template.spec.restartPolicy", policy, ("OnFailure", "Never"))


def _job(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    _generated_selector(causes, obj)
    selector = spec.get("selector")
    if selector is None:
        causes.required("spec.selector")
    else:
        label_selector(causes, selector, "spec.selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    try:
        chosen = LabelSelector.from_object(selector)
    except ValueError:
        chosen = LabelSelector.from_object({})
    if not chosen.matches(labels):
        text = "`selector` does not match template `labels`"
        causes.invalid("spec.template.metadata.labels", dict(sorted(labels.items())) if labels else None, text)
    _job_spec(causes, spec, "spec")


def _generated_selector(causes: Causes, obj: Obj) -> None:
    """What the server generates, a client may not give otherwise."""
    spec = obj["spec"]
    uid, name = obj["metadata"].get("uid", ""), obj["metadata"].get("name", "")
    selector = spec.get("selector")
    if spec.get("manualSelector") or selector is None:
        return
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    marks = {"controller-uid": uid, "job-name": name}
    for key, value in (*marks.items(), *((f"batch.kubernetes.io/{mark}", marks[mark]) for mark in marks)):
        if key in labels and labels[key] != value:
            causes.invalid(f"spec.template.metadata.labels[{key}]", dict(sorted(labels.items())), f"must be '{value}'")
    expected = {"batch.kubernetes.io/controller-uid": uid}
    found = selector.get("matchLabels") or {}
    if found not in (expected, {"controller-uid": uid}) or selector.get("matchExpressions"):
        shown = {"matchLabels": dict(sorted(found.items()))} | (
            {"matchExpressions": selector["matchExpressions"]} if selector.get("matchExpressions") else {}
        )
        causes.invalid("spec.selector", shown, "`selector` not auto-generated")


def _job_update(causes: Causes, new: Obj, old: Obj) -> None:
    _job(causes, new)
    spec, before = new["spec"], old["spec"]
    if spec.get("completions") != before.get("completions"):
        indexed = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
        if not indexed:
            causes.immutable("spec.completions", spec.get("completions"), before.get("completions"))
    if spec.get("selector") != before.get("selector"):
        causes.invalid("spec.selector", spec.get("selector"), "field is immutable")
    if spec.get("template") != before.get("template") and not before.get("suspend"):
        causes.invalid("spec.template", spec.get("template"), "field is immutable")
    for field in _IMMUTABLE:
        causes.immutable(f"spec.{field}", spec.get(field), before.get(field))


def _job_status(causes: Causes, new: Obj, old: Obj) -> None:
    for field in ("active", "succeeded", "failed", "ready", "terminating"):
        causes.not_negative(f"status.{field}", (new.get("status") or {}).get(field, 0))


def _cron_job(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    text = spec.get("schedule", "")
    if not text:
        causes.required("spec.schedule")
    elif "TZ" in text:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        causes.invalid("spec.schedule", text, detail)
    else:
        wrong = schedule.error(text)
        if wrong:
            causes.invalid("spec.schedule", text, wrong)
    if "startingDeadlineSeconds" in spec:
        causes.not_negative("spec.startingDeadlineSeconds", spec["startingDeadlineSeconds"])
    _time_zone(causes, spec)
    causes.one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), _CONCURRENCY)
    _job_template(causes, (spec.get("jobTemplate") or {}).get("spec") or {}, "spec.jobTemplate.spec")
    for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        if field in spec:
            causes.not_negative(f"spec.{field}", spec[field])


def _time_zone(causes: Causes, spec: Obj) -> None:
    zone = spec.get("timeZone")
    if zone is None:
        return
    if not zone:
        causes.invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string")
    elif zone.lower() == "local":
        causes.invalid("spec.timeZone", zone, "timeZone must be an explicit time zone as defined in the IANA database")
    elif zone not in zoneinfo.available_timezones():
        causes.invalid("spec.timeZone", zone, f"unknown time zone {zone}")


def _job_template(causes: Causes, spec: Obj, path: str) -> None:
    _job_spec(causes, spec, path)
    if "selector" in spec:
        causes.invalid(f"{path}.selector", spec["selector"], "`selector` will be auto-generated")
    if spec.get("manualSelector"):
        causes.unsupported(f"{path}.manualSelector", True, ("nil", "false"))


def _cron_name(name: str) -> Iterable[str]:
    wrong = list(names.dns_subdomain(name))
    if len(name) > _CRON_NAME_MAX:
        wrong.append(f"must be no more than {_CRON_NAME_MAX} characters")
    return wrong


RULES = {
    "CronJob": Rules(create=_cron_job, name=_cron_name),
    "Job": Rules(create=_job, update=_job_update, status=_job_status),
}
