"""Whether a Job is over, and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import get_path
from kube_actors.controllers.job import failure_policy, success_policy
from kube_actors.controllers.job.conditions import FAILED, FAILURE_TARGET, SUCCESS_CRITERIA_MET, is_set, make
from kube_actors.controllers.job.counting import Counted
from kube_actors.controllers.job.pods import has_limit_per_index, is_failed, is_indexed, is_suspended
from kube_actors.controllers.pods import phase_of


@dataclass(frozen=True, slots=True)
class Decision:
    """`over`: the condition that ends the Job. `look_again`: seconds until its deadline has to be looked at."""

    over: Obj | None = None
    look_again: float | None = None


def decide(counts: Counted, started: float | None) -> Decision:
    """`started` is the Job's startTime. What an earlier sync decided stands."""
    present = get_path(counts.job, "status", "conditions", default=[])
    if (met := is_set(present, SUCCESS_CRITERIA_MET)) is not None:
        return Decision(met)
    if (target := is_set(present, FAILURE_TARGET)) is not None:
        reason, message = target.get("reason", ""), target.get("message", "")
        return Decision(make(FAILED, "True", reason, message, counts.now))
    if text := _policy_failure(counts):
        return Decision(_failure(counts, "PodFailurePolicy", text))
    if _over_limit(counts):
        return Decision(_failure(counts, "BackoffLimitExceeded", "Job has reached the specified backoff limit"))
    left = _time_left(counts, started)
    if left is not None and left <= 0:
        text = "Job was active longer than specified deadline"
        return Decision(_failure(counts, "DeadlineExceeded", text))
    return Decision(_indexes_over(counts) if is_indexed(counts.job) else None, left)


def completed(counts: Counted) -> Obj:
    """The condition of a Job that reached its completions."""
    text = "Reached expected number of succeeded pods"
    return make(SUCCESS_CRITERIA_MET, "True", "CompletionsReached", text, counts.now)


def is_complete(counts: Counted, active: int) -> bool:
    """`active`: pods that run after this sync's changes. Without completions, one success and no pod left is all."""
    if counts.completions is None:
        return counts.succeeded > 0 and active == 0
    return counts.succeeded >= counts.completions and active == 0


def _failure(counts: Counted, reason: str, message: str) -> Obj:
    return make(FAILURE_TARGET, "True", reason, message, counts.now)


def _policy_failure(counts: Counted) -> str:
    policy = counts.spec.get("podFailurePolicy")
    if policy is None:
        return ""
    failed = (pod for pod in counts.pods if is_failed(pod, counts.job))
    return next((text for pod in failed if (text := failure_policy.match(policy, pod).message)), "")


def _over_limit(counts: Counted) -> bool:
    limit = counts.spec.get("backoffLimit", 6)
    if counts.failed > limit:
        return True
    if get_path(counts.spec, "template", "spec", "restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        status.get("restartCount", 0)
        for pod in counts.pods
        if phase_of(pod) in ("Running", "Pending")
        for kind in ("initContainerStatuses", "containerStatuses")
        for status in get_path(pod, "status", kind, default=[])
    )
    return bool(restarts > 0 if limit == 0 else restarts >= limit)


def _time_left(counts: Counted, started: float | None) -> float | None:
    deadline = counts.spec.get("activeDeadlineSeconds")
    if deadline is None or started is None or is_suspended(counts.job):
        return None
    return float(started + deadline - counts.now)


def _indexes_over(counts: Counted) -> Obj | None:
    completions = counts.completions or 0
    if has_limit_per_index(counts.job):
        limit, lost = counts.spec.get("maxFailedIndexes"), len(counts.failed_indexes)
        if limit is not None and lost > limit:
            text = "Job has exceeded the specified maximal number of failed indexes"
            return _failure(counts, "MaxFailedIndexesExceeded", text)
        if lost and lost + len(counts.succeeded_indexes) >= completions:
            return _failure(counts, "FailedIndexes", "Job has failed indexes")
    text_met = success_policy.matched(counts.spec.get("successPolicy"), completions, counts.succeeded_indexes)
    if text_met is None:
        return None
    return make(SUCCESS_CRITERIA_MET, "True", "SuccessPolicy", text_met, counts.now)


def started_at(status: Obj) -> float | None:
    text = status.get("startTime")
    return parse_rfc3339(text) if text else None
