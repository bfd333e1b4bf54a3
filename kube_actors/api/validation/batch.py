"""Jobs and CronJobs (k8s.io/kubernetes/pkg/apis/batch/validation)."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.selectors import LabelSelector
from kube_actors.api.validation import names, schedule
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.internal import shown_template
from kube_actors.api.validation.jobs import job_spec
from kube_actors.api.validation.metadata import label_selector, shown_selector
from kube_actors.api.validation.rules import Rules

# Jobs of a CronJob are named after it, with eleven characters more.
_CRON_NAME_MAX = 52
_CONCURRENCY = ("Allow", "Forbid", "Replace")
_COUNTED = ("active", "succeeded", "failed", "ready", "terminating")


def _job(causes: Causes, obj: Obj) -> None:
    _generated_selector(causes, obj)
    _selected_job_spec(causes, obj["spec"])


def _selected_job_spec(causes: Causes, spec: Obj) -> None:
    """The spec of a Job, whose selector has to select the pods of its template."""
    job_spec(causes, spec, "spec")
    selector = spec.get("selector")
    if selector is None:
        causes.required("spec.selector")
    else:
        label_selector(causes, selector, "spec.selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    try:
        matches = selector is not None and LabelSelector.from_object(selector).matches(labels)
    except ValueError:
        return
    if not matches:
        text = "`selector` does not match template `labels`"
        causes.invalid("spec.template.metadata.labels", dict(sorted(labels.items())) if labels else None, text)


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
        causes.invalid("spec.selector", shown_selector(selector), "`selector` not auto-generated")


def _job_update(causes: Causes, new: Obj, old: Obj) -> None:
    """Both ValidateJob and ValidateJobUpdate, which check the spec each."""
    _job(causes, new)
    spec, before = new["spec"], old["spec"]
    _selected_job_spec(causes, spec)
    _completions(causes, spec, before)
    if spec.get("selector") != before.get("selector"):
        causes.invalid("spec.selector", shown_selector(spec.get("selector")), "field is immutable")
    if spec.get("template") != _changed_template(spec, old):
        causes.invalid("spec.template", shown_template(spec.get("template") or {}), "field is immutable")
    for field in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        causes.immutable(f"spec.{field}", spec.get(field), before.get(field))


def _completions(causes: Causes, spec: Obj, before: Obj) -> None:
    completions = spec.get("completions")
    if completions == before.get("completions"):
        return
    if spec.get("completionMode") != "Indexed":
        causes.immutable("spec.completions", completions, before.get("completions"))
    elif completions is not None and completions != spec.get("parallelism"):
        causes.invalid("spec.completions", completions, "can only be modified in tandem with spec.parallelism")


def _changed_template(spec: Obj, old: Obj) -> Obj:
    """The old template, with what a suspended Job that never ran may change about where its pods run."""
    template: Obj = old["spec"].get("template") or {}
    if not old["spec"].get("suspend") or (old.get("status") or {}).get("startTime"):
        return template
    wanted = spec.get("template") or {}
    return {
        **template,
        "metadata": _taken(template.get("metadata"), wanted.get("metadata"), ("annotations", "labels")),
        "spec": {
            **_taken(template.get("spec"), wanted.get("spec"), ("nodeSelector", "tolerations", "schedulingGates")),
            **_node_affinity(template.get("spec") or {}, wanted.get("spec") or {}),
        },
    }


def _taken(old: Obj | None, new: Obj | None, fields: tuple[str, ...]) -> Obj:
    """`old` with these fields as `new` has them."""
    kept = {key: value for key, value in (old or {}).items() if key not in fields}
    return kept | {key: value for key, value in (new or {}).items() if key in fields}


def _node_affinity(old: Obj, new: Obj) -> Obj:
    """The affinity of pods is kept, that of nodes is the new one."""
    affinity = _taken(old.get("affinity"), new.get("affinity"), ("nodeAffinity",))
    return {"affinity": affinity} if affinity or "affinity" in new else {}


def _job_status(causes: Causes, new: Obj, old: Obj) -> None:
    for field in _COUNTED:
        causes.not_negative(f"status.{field}", (new.get("status") or {}).get(field, 0))


def _cron_job(causes: Causes, obj: Obj) -> None:
    _cron_job_change(causes, obj, {})


def _cron_job_change(causes: Causes, new: Obj, old: Obj) -> None:
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
    if len(name) > _CRON_NAME_MAX:
        wrong.append(f"must be no more than {_CRON_NAME_MAX} characters")
    return wrong


RULES = {
    "CronJob": Rules(create=_cron_job, update=_cron_job_change, name=_cron_name),
    "Job": Rules(create=_job, update=_job_update, status=_job_status),
}
