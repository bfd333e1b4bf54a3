"""Defaults of the batch group (k8s.io/kubernetes/pkg/apis/batch/v1/defaults.go)."""

from __future__ import annotations

from collections.abc import Callable

from kube_actors.api import Obj
from kube_actors.api.defaults.pods import pod_template

_UNLIMITED = 2**31 - 1


def _job_spec(spec: Obj) -> None:
    """Defaults of a Job's spec; a CronJob's template gets only those of its pods."""
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", _UNLIMITED if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    policy = spec.get("podFailurePolicy")
    for rule in (policy or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern.setdefault("status", "True")
    spec.setdefault("podReplacementPolicy", "Failed" if policy else "TerminatingOrFailed")


def _job(obj: Obj) -> None:
    spec = obj["spec"]
    pod_template(spec.get("template"))
    labels = (spec.get("template", {}).get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    _job_spec(spec)


def _cron_job(obj: Obj) -> None:
    spec = obj["spec"]
    spec.setdefault("concurrencyPolicy", "Allow")
    spec.setdefault("suspend", False)
    spec.setdefault("successfulJobsHistoryLimit", 3)
    spec.setdefault("failedJobsHistoryLimit", 1)
    pod_template(spec.get("jobTemplate", {}).get("spec", {}).get("template"))


DEFAULTS: dict[str, Callable[[Obj], None]] = {"Job": _job, "CronJob": _cron_job}
