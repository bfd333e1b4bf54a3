"""The status of a ReplicaSet (and of a ReplicationController, whose status is the same). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, labels_of
from kube_actors.controllers import conditions
from kube_actors.controllers.pods import is_available, is_ready, next_available_after

REPLICA_FAILURE = "ReplicaFailure"


def plan_status(
    owner: Obj, active: Sequence[Obj], terminating: Sequence[Obj], failure: tuple[str, str] | None, now: float
) -> Obj:
    """The status as it should read. `failure` is (reason, message) of what could not be created or deleted.

    A scale-down that follows a failure clears it, since nothing is attempted then that could fail.
    """
    spec, old = owner["spec"], owner.get("status") or {}
    wanted = get_path(spec, "template", "metadata", "labels", default={}).items()
    min_ready = spec.get("minReadySeconds", 0)
    status: Obj = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(1 for pod in active if wanted <= labels_of(pod).items()),
        "readyReplicas": sum(1 for pod in active if is_ready(pod)),
        "availableReplicas": sum(1 for pod in active if is_available(pod, min_ready, now)),
        "observedGeneration": owner["metadata"].get("generation", 0),
        "terminatingReplicas": len(terminating),
    }
    present: list[Obj] = old.get("conditions") or []
    if failure is not None:
        if conditions.find(present, REPLICA_FAILURE) is None:
            present = conditions.put(present, conditions.make(REPLICA_FAILURE, "True", *failure, now))
    else:
        present = conditions.without(present, REPLICA_FAILURE)
    return status | ({"conditions": present} if present else {})


def requeue_after(owner: Obj, active: Sequence[Obj], now: float) -> float | None:
    """When a ready pod will have been ready for minReadySeconds, of which no event tells."""
    return next_available_after(active, owner["spec"].get("minReadySeconds", 0), now)
