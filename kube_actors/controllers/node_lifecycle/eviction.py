"""When a pod has to leave a tainted node. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from kube_actors.aio.clock import parse_rfc3339, rfc3339
from kube_actors.api import Obj
from kube_actors.api.meta import get_path, is_deleting, name_of, namespace_of, uid_of
from kube_actors.api.resources import PODS
from kube_actors.controllers import conditions
from kube_actors.controllers.actions import NORMAL, Action, DeleteObject, RecordEvent, UpdateStatus
from kube_actors.controllers.node_lifecycle.taints import NO_EXECUTE

DISRUPTION = "DisruptionTarget"


def tolerates(toleration: Obj, taint: Obj) -> bool:
    """Whether it applies: same effect (or any), same key (or any, with Exists), same value (or Exists)."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    if (toleration.get("operator") or "Equal") == "Exists":
        return True
    return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")


def leaves_at(pod: Obj, taints: Iterable[Obj], now: float) -> float | None:
    """When the pod has to leave: now for a taint that it does not tolerate, None for never.

    The shortest tolerationSeconds counts, from the moment at which the taint was added.
    """
    latest = math.inf
    for taint in taints:
        if taint.get("effect") != NO_EXECUTE:
            continue
        applying = [each for each in get_path(pod, "spec", "tolerations", default=[]) if tolerates(each, taint)]
        if not applying:
            return now
        seconds = [each["tolerationSeconds"] for each in applying if each.get("tolerationSeconds") is not None]
        if not seconds:
            continue
        since = parse_rfc3339(taint["timeAdded"]) if taint.get("timeAdded") else now
        latest = min(latest, since + max(min(seconds), 0))
    return None if latest == math.inf else latest


def plan_eviction(pod: Obj, now: float) -> Sequence[Action]:
    """Mark the pod as disrupted, tell, delete."""
    if is_deleting(pod):
        return ()
    text = "Taint manager: deleting due to NoExecute taint"
    told = f"Marking for deletion Pod {namespace_of(pod)}/{name_of(pod)}"
    return (
        *mark_disrupted(pod, "DeletionByTaintManager", text, now),
        RecordEvent(pod, NORMAL, "TaintManagerEviction", told),
        DeleteObject(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod)),
    )


def mark_disrupted(pod: Obj, reason: str, message: str, now: float, *, phase: str = "") -> Sequence[UpdateStatus]:
    """The condition by which a Job knows that the pod did not fail by itself."""
    status = pod.get("status") or {}
    new = conditions.make(DISRUPTION, "True", reason, message, now) | {"lastProbeTime": None}
    generation = pod["metadata"].get("generation")
    if generation is not None:
        new["observedGeneration"] = generation
    changed = status | {"conditions": conditions.put(status.get("conditions") or [], new)}
    if phase:
        changed["phase"] = phase
    return () if changed == status else (UpdateStatus(PODS, pod | {"status": changed}),)


def cancellation(pod: Obj) -> RecordEvent:
    text = f"Cancelling deletion of Pod {namespace_of(pod)}/{name_of(pod)}"
    return RecordEvent(pod, NORMAL, "TaintManagerEviction", text)


def pod_not_ready(pod: Obj, now: float) -> Sequence[UpdateStatus]:
    """Ready=False for a pod whose node does not answer, so that no Service sends it anything."""
    status = pod.get("status") or {}
    present: list[Obj] = status.get("conditions") or []
    ready = conditions.find(present, "Ready")
    if ready is None or ready.get("status") != "True":
        return ()
    new = ready | {"status": "False", "reason": "NodeNotReady", "lastTransitionTime": rfc3339(now)}
    changed = status | {"conditions": [new if each is ready else each for each in present]}
    return (UpdateStatus(PODS, pod | {"status": changed}),)
