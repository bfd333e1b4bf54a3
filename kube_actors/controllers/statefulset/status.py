"""The status of a StatefulSet. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, is_deleting, name_of
from kube_actors.controllers.pods import is_available, is_ready, phase_of
from kube_actors.controllers.statefulset.identity import revision_of


@dataclass(frozen=True, slots=True)
class Revisions:
    """`current`: what the pods had before the rollout. `update`: what they are to have."""

    current: Obj
    update: Obj
    collisions: int = 0


def is_running_and_ready(pod: Obj) -> bool:
    return phase_of(pod) == "Running" and is_ready(pod)


def is_unavailable(pod: Obj, min_ready_seconds: int, now: float) -> bool:
    return is_deleting(pod) or not is_available(pod, min_ready_seconds, now)


def plan_status(owner: Obj, pods: Iterable[Obj], revisions: Revisions, now: float, *, given_up: int = 0) -> Obj:
    """The status as it should read. `given_up` counts the pods of the current revision that this sync deleted."""
    min_ready = owner["spec"].get("minReadySeconds", 0)
    current, update = name_of(revisions.current), name_of(revisions.update)
    created = [pod for pod in pods if phase_of(pod)]
    ready = [pod for pod in created if is_running_and_ready(pod)]
    staying = [revision_of(pod) for pod in created if not is_deleting(pod)]
    status: Obj = {
        "observedGeneration": owner["metadata"].get("generation", 0),
        "replicas": len(created),
        "readyReplicas": len(ready),
        "availableReplicas": sum(1 for pod in ready if is_available(pod, min_ready, now)),
        "currentReplicas": max(staying.count(current) - given_up, 0),
        "updatedReplicas": staying.count(update),
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": revisions.collisions,
    }
    if conditions := get_path(owner, "status", "conditions"):
        status["conditions"] = conditions
    return _completed(owner, status)


def _completed(owner: Obj, status: Obj) -> Obj:
    """A rollout that reached every replica makes the update revision the current one."""
    rolling = get_path(owner, "spec", "updateStrategy", "type", default="RollingUpdate") == "RollingUpdate"
    wanted = owner["spec"].get("replicas", 1)
    if rolling and [status[field] for field in ("updatedReplicas", "readyReplicas", "replicas")] == [wanted] * 3:
        return status | {"currentReplicas": wanted, "currentRevision": status["updateRevision"]}
    return status
