"""The pod conditions that the node owns, and how a condition keeps the time of its last transition."""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.node.pods.facts import Facts
from kube_actors.node.pods.view import ContainerView, PodView, Role
from kube_actors.node.resize.state import IN_PROGRESS, PENDING, resize_conditions
from kube_actors.node.status.container_status import has_started, is_ready

SUCCEEDED, FAILED = "Succeeded", "Failed"
OWNED = (
    "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled", PENDING, IN_PROGRESS,
)  # fmt: skip
# Set by whoever ends a pod, the node among them.
DISRUPTION_TARGET = "DisruptionTarget"


def pod_conditions(pod: Obj, view: PodView, facts: Facts, phase: str, now: float) -> list[Obj]:
    """The conditions of the pod's status: the node's own, then those that others wrote."""
    old: list[Obj] = (pod.get("status") or {}).get("conditions") or []
    containers_ready = _containers_ready(view, facts, phase)
    drafts = [
        {"type": "PodReadyToStartContainers", "status": _bool(view.sandbox_ready)},
        _initialized(view, facts, phase),
        _ready(pod, containers_ready, old),
        containers_ready,
        {"type": "PodScheduled", "status": "True"},
        *(resize_conditions(facts.resize) if phase not in (SUCCEEDED, FAILED) else ()),
    ]
    generation = pod["metadata"].get("generation")
    mine = [_stamped(draft, old, generation, now) for draft in drafts]
    return mine + [each for each in old if each.get("type") not in OWNED]


def with_others(mine: Sequence[Obj], known: Sequence[Obj]) -> list[Obj]:
    """The node's conditions as it wants them, those of others as the API has them."""
    others = [each for each in known if each.get("type") not in OWNED]
    told = {each.get("type") for each in others}
    own = (*OWNED, *({DISRUPTION_TARGET} - told))
    return [each for each in mine if each.get("type") in own] + others


def _containers_ready(view: PodView, facts: Facts, phase: str) -> Obj:
    counted = view.of(Role.SIDECAR, Role.REGULAR)
    if phase in (SUCCEEDED, FAILED):
        reason = "PodCompleted" if phase == SUCCEEDED else "PodFailed"
        return {"type": "ContainersReady", "status": "False", "reason": reason}
    unready = [each.name for each in counted if not is_ready(each, facts)]
    if not unready:
        return {"type": "ContainersReady", "status": "True"}
    return {
        "type": "ContainersReady",
        "status": "False",
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{' '.join(unready)}]",
    }


def _ready(pod: Obj, containers_ready: Obj, old: Sequence[Obj]) -> Obj:
    draft = containers_ready | {"type": "Ready"}
    if draft["status"] != "True":
        return draft
    statuses = {each.get("type"): each.get("status") for each in old}
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    faults = [
        f'corresponding condition of pod readiness gate "{gate}" '
        + ("does not exist." if gate not in statuses else 'is not "True".')
        for gate in gates
        if statuses.get(gate) != "True"
    ]
    if not faults:
        return draft
    text = faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"
    return {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady", "message": text}


def _initialized(view: PodView, facts: Facts, phase: str) -> Obj:
    done: Obj = {"type": "Initialized", "status": "True"}
    if phase == SUCCEEDED:
        return done | {"reason": "PodCompleted"}
    if view.initialized:
        return done
    waiting = [each.name for each in view.of(Role.INIT, Role.SIDECAR) if not _is_initialized(each, facts)]
    if not waiting:
        return done
    return {
        "type": "Initialized",
        "status": "False",
        "reason": "ContainersNotInitialized",
        "message": f"containers with incomplete status: [{' '.join(waiting)}]",
    }


def _is_initialized(view: ContainerView, facts: Facts) -> bool:
    return has_started(view, facts) if view.role is Role.SIDECAR else is_ready(view, facts)


def _stamped(draft: Obj, old: Sequence[Obj], generation: int | None, now: float) -> Obj:
    """The condition with its times: a transition is a change of `status`."""
    known = next((each for each in old if each.get("type") == draft["type"]), {})
    same = known.get("status") == draft["status"] and known.get("lastTransitionTime")
    stamped = draft | {
        "lastProbeTime": None,
        "lastTransitionTime": known["lastTransitionTime"] if same else rfc3339(now),
    }
    return {"observedGeneration": generation} | stamped if generation else stamped


def _bool(value: bool) -> str:
    return "True" if value else "False"
