"""The spec of a Job, which Jobs and CronJobs share."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.job_policies import pod_failure_policy, success_policy
from kube_actors.api.validation.pods import template

_MODES = ("NonIndexed", "Indexed")
_COUNTS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
    "backoffLimitPerIndex", "maxFailedIndexes",
)  # fmt: skip
_INDEXES_MAX = 100_000
# With more completions than the limit above and a backoff limit per index, these may be so many only.
_HIGH_COMPLETIONS_MAX = 10_000
_MANAGED_BY_MAX = 63


def job_spec(causes: Causes, spec: Obj, path: str) -> None:
    """Everything but the selector (validateJobSpec)."""
    for field in _COUNTS:
        if field in spec:
            causes.not_negative(f"{path}.{field}", spec[field])
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
        causes.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    manager = spec.get("managedBy")
    if manager is not None:
        causes.each_invalid(f"{path}.managedBy", manager, names.domain_prefixed_path(manager))
        if len(manager) > _MANAGED_BY_MAX:
            causes.too_long(f"{path}.managedBy", _MANAGED_BY_MAX)
    mode = spec.get("completionMode", "NonIndexed")
    if mode not in _MODES:
        causes.unsupported(f"{path}.completionMode", mode, _MODES)
    elif mode == "Indexed":
        _indexed(causes, spec, path)
    else:
        for field in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if field in spec:
                causes.invalid(f"{path}.{field}", spec[field], "requires indexed completion mode")
    if "podFailurePolicy" in spec:
        pod_failure_policy(causes, spec, f"{path}.podFailurePolicy")
    if "successPolicy" in spec:
        success_policy(causes, spec, f"{path}.successPolicy")
    _replacement(causes, spec, f"{path}.podReplacementPolicy")
    template(causes, spec.get("template"), f"{path}.template")
    _restart_policy(causes, spec, f"{path}.template.spec.restartPolicy")


def _indexed(causes: Causes, spec: Obj, path: str) -> None:
    completions, parallelism, failed = (spec.get(name) for name in ("completions", "parallelism", "maxFailedIndexes"))
    if completions is None:
        causes.required(f"{path}.completions", "when completion mode is Indexed")
    if parallelism is not None and parallelism > _INDEXES_MAX:
        text = f"must be less than or equal to {_INDEXES_MAX} when completion mode is Indexed"
        causes.invalid(f"{path}.parallelism", parallelism, text)
    if failed is not None and completions is not None and failed > completions:
        causes.invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions")
    if failed is not None and failed > _INDEXES_MAX:
        causes.invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_INDEXES_MAX}")
    if completions is None or completions <= _INDEXES_MAX or "backoffLimitPerIndex" not in spec:
        return
    if failed is None:
        text = f"must be specified when completions is above {_INDEXES_MAX}"
        causes.required(f"{path}.maxFailedIndexes", text)
    when = f"when completions are above {_INDEXES_MAX} and used with backoff limit per index"
    for field, value in (("parallelism", parallelism), ("maxFailedIndexes", failed)):
        if value is not None and value > _HIGH_COMPLETIONS_MAX:
            text = f"must be less than or equal to {_HIGH_COMPLETIONS_MAX} {when}"
            causes.invalid(f"{path}.{field}", value, text)


def _replacement(causes: Causes, spec: Obj, path: str) -> None:
    policy = spec.get("podReplacementPolicy")
    # A failure policy needs to see how a pod ended before it is replaced.
    supported = ("Failed",) if "podFailurePolicy" in spec else ("Failed", "TerminatingOrFailed")
    if policy is not None and policy not in supported:
        causes.unsupported(path, policy, supported)


def _restart_policy(causes: Causes, spec: Obj, path: str) -> None:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy", "")
    if policy in ("", "Always"):
        causes.required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        causes.unsupported(path, policy, ("OnFailure", "Never"))
    elif "podFailurePolicy" in spec and policy != "Never":
        causes.invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')
