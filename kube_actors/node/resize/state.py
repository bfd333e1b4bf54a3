"""What there is to tell of a pod's resize, and the conditions by which its status tells it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj

PENDING, IN_PROGRESS = "PodResizePending", "PodResizeInProgress"
INFEASIBLE, DEFERRED, ERROR = "Infeasible", "Deferred", "Error"


@dataclass(frozen=True, slots=True)
class Pending:
    """A resize that is not granted. `generation`: of the pod that asked for it."""

    reason: str
    message: str
    generation: int = 0
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """A resize that is granted and not yet done. `error`: why the last attempt failed."""

    generation: int = 0
    error: str = ""
    retry_at: float = 0.0


@dataclass(frozen=True, slots=True)
class ResizeState:
    """What there is to tell of a pod's resize."""

    pending: Pending | None = None
    progress: Progress | None = None


NO_RESIZE = ResizeState()


def resize_conditions(state: ResizeState) -> list[Obj]:
    """The conditions, without their times."""
    found: list[Obj] = []
    if state.pending is not None:
        pending = state.pending
        found.append({"type": PENDING, "status": "True", "reason": pending.reason, "message": pending.message})
        found[-1] |= {"observedGeneration": pending.generation} if pending.generation else {}
    if state.progress is not None:
        progress = state.progress
        found.append({"type": IN_PROGRESS, "status": "True"})
        found[-1] |= {"reason": ERROR, "message": progress.error} if progress.error else {}
        found[-1] |= {"observedGeneration": progress.generation} if progress.generation else {}
    return found


def state_of(pod: Obj) -> ResizeState:
    """What the agent before this one told of a resize."""
    found = {each.get("type"): each for each in (pod.get("status") or {}).get("conditions") or ()}
    pending, progress = found.get(PENDING), found.get(IN_PROGRESS)
    return ResizeState(
        Pending(
            str(pending.get("reason") or ""),
            str(pending.get("message") or ""),
            int(pending.get("observedGeneration") or 0),
            parse_rfc3339(pending["lastTransitionTime"]) if pending.get("lastTransitionTime") else 0.0,
        )
        if pending
        else None,
        # An error is tried again at once.
        Progress(int(progress.get("observedGeneration") or 0), str(progress.get("message") or ""))
        if progress
        else None,
    )
