"""The status of a Deployment: counts, Available, Progressing with its deadline, ReplicaFailure. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.aio.clock import parse_rfc3339, rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import name_of
from kube_actors.controllers import conditions
from kube_actors.controllers.deployment.draft import Draft, total
from kube_actors.controllers.deployment.rolling import Limits

AVAILABLE = "Available"
PROGRESSING = "Progressing"
REPLICA_FAILURE = "ReplicaFailure"

NEW_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"
CREATED = "NewReplicaSetCreated"
FOUND = "FoundNewReplicaSet"
UPDATED = "ReplicaSetUpdated"
CREATE_FAILED = "ReplicaSetCreateError"
NO_DEADLINE = 2**31 - 1


def make(kind: str, status: str, reason: str, message: str, now: float) -> Obj:
    """A Deployment's condition, which has a lastUpdateTime besides."""
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": rfc3339(now),
        "lastTransitionTime": rfc3339(now),
        "reason": reason,
        "message": message,
    }


def has_deadline(deployment: Obj) -> bool:
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    return deadline is not None and deadline != NO_DEADLINE


def note_pause(deployment: Obj, present: list[Obj], now: float) -> list[Obj]:
    """Progressing turns Unknown when a rollout is paused or resumed, so that the deadline starts anew.

    A deadline that was missed already stays reported.
    """
    if not has_deadline(deployment):
        return present
    found = conditions.find(present, PROGRESSING)
    reason = found.get("reason") if found else None
    paused = bool(deployment["spec"].get("paused"))
    if reason == TIMED_OUT or paused == (reason == PAUSED):
        return present
    if paused:
        return conditions.put(present, make(PROGRESSING, "Unknown", PAUSED, "Deployment is paused", now))
    return conditions.put(present, make(PROGRESSING, "Unknown", RESUMED, "Deployment is resumed", now))


def counts(deployment: Obj, limits: Limits, new: Draft | None, everyone: list[Draft], before: Obj, now: float) -> Obj:
    """The status with its numbers and its Available condition; other conditions as they were in `before`."""
    ready = sum(draft.available for draft in everyone)
    status: Obj = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": sum(draft.status_replicas for draft in everyone),
        "updatedReplicas": new.status_replicas if new else 0,
        "readyReplicas": sum(draft.ready for draft in everyone),
        "availableReplicas": ready,
        "unavailableReplicas": max(total(everyone) - ready, 0),
        "terminatingReplicas": sum(draft.terminating for draft in everyone),
    }
    if (collisions := before.get("collisionCount")) is not None:
        status["collisionCount"] = collisions
    if ready >= limits.minimum_available:
        reason, text, value = "MinimumReplicasAvailable", "Deployment has minimum availability.", "True"
    else:
        reason, text, value = "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", "False"
    status["conditions"] = conditions.put(before.get("conditions") or [], make(AVAILABLE, value, reason, text, now))
    return status


def is_complete(deployment: Obj, limits: Limits, status: Obj) -> bool:
    """Every pod is of the new revision and available, no old one is left, and the spec was seen."""
    wanted = limits.replicas
    numbers = (status.get("updatedReplicas", 0), status.get("replicas", 0), status.get("availableReplicas", 0))
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return numbers == (wanted, wanted, wanted) and seen


def progress(deployment: Obj, limits: Limits, new: Draft | None, before: Obj, status: Obj, now: float) -> Obj:
    """`status` with the Progressing condition that follows from what moved since `before`."""
    present: list[Obj] = status["conditions"]
    if not has_deadline(deployment):
        return status | {"conditions": conditions.without(present, PROGRESSING)}
    found = conditions.find(present, PROGRESSING)
    finished = found is not None and found.get("reason") == NEW_AVAILABLE
    if finished and status["replicas"] == status["updatedReplicas"]:
        # No rollout is under way: pods that come and go are no progress to be measured.
        return status
    subject = f'ReplicaSet "{new.name}"' if new else f'Deployment "{name_of(deployment)}"'
    if is_complete(deployment, limits, status):
        done = make(PROGRESSING, "True", NEW_AVAILABLE, f"{subject} has successfully progressed.", now)
        return status | {"conditions": conditions.put(present, done)}
    if _moved(before, status):
        moving = make(PROGRESSING, "True", UPDATED, f"{subject} is progressing.", now)
        if found is not None and found.get("status") == "True":
            moving["lastTransitionTime"] = found["lastTransitionTime"]
        # Not `put`: progress under the same reason must move lastUpdateTime, from which the deadline counts.
        return status | {"conditions": [*conditions.without(present, PROGRESSING), moving]}
    if _timed_out(deployment, found, now):
        late = make(PROGRESSING, "False", TIMED_OUT, f"{subject} has timed out progressing.", now)
        return status | {"conditions": conditions.put(present, late)}
    return status


def _moved(before: Obj, status: Obj) -> bool:
    updated, was_updated = status["updatedReplicas"], before.get("updatedReplicas", 0)
    left, was_left = status["replicas"] - updated, before.get("replicas", 0) - was_updated
    return bool(
        updated > was_updated
        or left < was_left
        or status["readyReplicas"] > before.get("readyReplicas", 0)
        or status["availableReplicas"] > before.get("availableReplicas", 0)
    )


def _timed_out(deployment: Obj, found: Obj | None, now: float) -> bool:
    if found is None or found.get("reason") == NEW_AVAILABLE:
        return False
    return found.get("reason") == TIMED_OUT or _deadline(deployment, found) < now


def _deadline(deployment: Obj, found: Obj) -> float:
    since = found.get("lastUpdateTime") or found.get("lastTransitionTime")
    seconds = float(deployment["spec"]["progressDeadlineSeconds"])
    return (parse_rfc3339(since) if since else 0.0) + seconds


def replica_failure(status: Obj, new: Draft | None, everyone: list[Draft]) -> Obj:
    """`status` with the ReplicaFailure of a ReplicaSet, the new one's before another's."""
    ordered = [*([new] if new else []), *everyone]
    failures = (
        failure
        for draft in ordered
        if (failure := conditions.find((draft.obj.get("status") or {}).get("conditions") or (), REPLICA_FAILURE))
    )
    failure = next(failures, None)
    if failure is None:
        return status | {"conditions": conditions.without(status["conditions"], REPLICA_FAILURE)}
    own = {
        "type": REPLICA_FAILURE,
        "status": failure.get("status", "True"),
        "lastUpdateTime": failure.get("lastTransitionTime"),
        "lastTransitionTime": failure.get("lastTransitionTime"),
        "reason": failure.get("reason", ""),
        "message": failure.get("message", ""),
    }
    return status | {"conditions": conditions.put(status["conditions"], own)}


def check_after(deployment: Obj, limits: Limits, status: Obj, now: float) -> float | None:
    """Seconds until the progress deadline has to be looked at; None where none is running."""
    found = conditions.find(status.get("conditions") or (), PROGRESSING)
    if not has_deadline(deployment) or found is None:
        return None
    if found.get("reason") in (TIMED_OUT, NEW_AVAILABLE) or is_complete(deployment, limits, status):
        return None
    # A second later: timestamps have whole seconds.
    return max(_deadline(deployment, found) - now, 0.0) + 1.0


def same_status(old: Obj, new: Obj) -> bool:
    """Equal but for zeros and order of conditions, which say nothing."""
    return _significant(old) == _significant(new)


def _significant(status: Obj) -> Obj:
    plain = {key: value for key, value in status.items() if key != "conditions" and value not in (0, None)}
    listed: Sequence[Obj] = status.get("conditions") or ()
    return plain | {"conditions": sorted(listed, key=lambda each: str(each.get("type")))}
