"""A Job's pods: what marks them, when one counts as failed, how one is made. Pure."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import annotations_of, get_path, is_deleting, name_of, namespace_of
from kube_actors.api.resources import PODS
from kube_actors.client.types import STRATEGIC_MERGE_PATCH
from kube_actors.controllers.actions import PatchObject
from kube_actors.controllers.job import failure_policy
from kube_actors.controllers.job.indexes import INDEX
from kube_actors.controllers.pods import phase_of
from kube_actors.controllers.templates import pod_from_template

FINALIZER = "batch.kubernetes.io/job-tracking"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
_LONGEST_PREFIX = 58  # of a generated name; the server cuts what is longer, and with it the index


def is_indexed(job: Obj) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def is_suspended(job: Obj) -> bool:
    return bool(job["spec"].get("suspend"))


def has_limit_per_index(job: Obj) -> bool:
    return job["spec"].get("backoffLimitPerIndex") is not None


def replaces_failed_only(job: Obj) -> bool:
    """Whether a terminating pod still holds its place until it has ended."""
    spec = job["spec"]
    return spec.get("podReplacementPolicy") == "Failed" or spec.get("podFailurePolicy") is not None


def is_failed(pod: Obj, job: Obj) -> bool:
    """Failed; or being deleted, unless the Job waits for the end: it may never reach its end."""
    if phase_of(pod) == "Failed":
        return True
    return not replaces_failed_only(job) and is_deleting(pod) and phase_of(pod) != "Succeeded"


def has_finalizer(pod: Obj) -> bool:
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def finalizer_removal(pod: Obj) -> PatchObject:
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
    return PatchObject(PODS, namespace_of(pod), name_of(pod), patch, type=STRATEGIC_MERGE_PATCH)


def number(pod: Obj, annotation: str) -> int:
    """A count of failures; 0 where the annotation is missing or no int32."""
    text = annotations_of(pod).get(annotation, "")
    count = int(text) if text.isascii() and text.isdigit() else 0
    return count if count < 2**31 else 0


def absolute_failures(pod: Obj) -> int:
    """Failures of the index before this pod, those that the policy ignores included."""
    return number(pod, FAILURES) + number(pod, IGNORED_FAILURES)


def new_pod(job: Obj, index: int | None = None, replaced: Obj | None = None) -> Obj:
    """A pod of the Job, for an index where it has them; `replaced` is the pod that failed before it."""
    pod = pod_from_template(job, job["spec"]["template"])
    metadata = pod["metadata"]
    metadata["finalizers"] = [*(each for each in metadata.get("finalizers") or () if each != FINALIZER), FINALIZER]
    if index is None:
        return pod
    suffix = f"-{index}-"
    metadata["generateName"] = name_of(job)[: _LONGEST_PREFIX - len(suffix)] + suffix
    metadata["annotations"] = annotations_of(pod) | {INDEX: str(index)} | _failure_counts(job, replaced)
    metadata["labels"] = (metadata.get("labels") or {}) | {INDEX: str(index)}
    spec = pod["spec"]
    spec["hostname"] = f"{name_of(job)}-{index}"
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = [_with_index(container) for container in spec[kind]]
    return pod


def _failure_counts(job: Obj, replaced: Obj | None) -> dict[str, str]:
    if not has_limit_per_index(job):
        return {}
    counted, ignored = 0, 0
    if replaced is not None:
        counted, ignored = number(replaced, FAILURES), number(replaced, IGNORED_FAILURES)
        if failure_policy.match(job["spec"].get("podFailurePolicy"), replaced).counted:
            counted += 1
        else:
            ignored += 1
    return {FAILURES: str(counted)} | ({IGNORED_FAILURES: str(ignored)} if ignored else {})


def _with_index(container: Obj) -> Obj:
    env = container.get("env") or []
    if any(get_path(each, "name") == INDEX_VARIABLE for each in env):
        return container
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
    return container | {"env": [*env, {"name": INDEX_VARIABLE, "valueFrom": source}]}
