"""Changes of the resources of pods that run: whether and when the node grants them (KEP-1287).

    spec changes ──> asked() ──fits───> granted: ResizeStarted, PodResizeInProgress ──> the plan gives the containers
                        │                   their new limits, or restarts them ──> complete(): ResizeCompleted
                        ├─ not now ───> PodResizePending, Deferred: reviewed again whenever the node gets room
                        └─ never here ─> PodResizePending, Infeasible

Until it is granted a pod lives on with what it had. All pods are reviewed together, in kubelet's order, so that a
grant is seen by the next one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from kube_actors.aio.clock import Clock
from kube_actors.api import Obj
from kube_actors.api.meta import uid_of
from kube_actors.api.pods import requests_of
from kube_actors.node.containers.resources import GUARANTEED, qos_class
from kube_actors.node.node_events import NORMAL, WARNING, PodEvents
from kube_actors.node.pods.admission import lacking, too_much
from kube_actors.node.pods.static_pods import is_static
from kube_actors.node.resize.grants import Grant, remembered, wanted, with_grant
from kube_actors.node.resize.state import DEFERRED, INFEASIBLE, NO_RESIZE, Pending, Progress, ResizeState, state_of

# How long a resize that failed waits for its next attempt: kubelet's backOffPeriod.
RETRY_SECONDS = 10.0


def judge(pod: Obj, others: Iterable[Obj], allocatable: Mapping[str, str]) -> tuple[str, str] | None:
    """Reason and message for which the pod cannot have what it asks for now; None where it can. Pure."""
    if is_static(pod):
        return INFEASIBLE, "In-place resize of static-pods is not supported"
    asked = requests_of(pod["spec"])
    if text := too_much(asked, allocatable):
        return INFEASIBLE, f"Node didn't have enough capacity: {text}"
    shortage = lacking(asked, others, allocatable)
    return (DEFERRED, f"Node didn't have enough resource: {shortage.text}") if shortage else None


def too_small(limits: Mapping[str, int], uses: Mapping[str, int], whole: int) -> str:
    """Why containers cannot have their lower memory `limits` now, beside what all of the pod use; `whole` is the
    limit of the pod, 0: none. Pure."""
    faults = []
    if 0 < whole < sum(uses.values()):
        faults.append(f"attempting to set pod memory limit ({whole}) below current usage ({sum(uses.values())})")
    faults += [
        f'attempting to set container "{name}" memory limit ({limit}) below current usage ({uses[name]})'
        for name, limit in limits.items()
        if limit < uses.get(name, 0)
    ]
    text = ", ".join(faults)
    return f"cannot decrease memory limits: {text if len(faults) == 1 else f'[{text}]'}" if faults else ""


class Resizes:
    """Of the pods of one node. `pods` lists those that hold resources, with their latest status; `poke` wakes the
    worker of a pod."""

    def __init__(
        self,
        allocatable: Mapping[str, str],
        events: PodEvents,
        clock: Clock,
        pods: Callable[[], list[Obj]],
        poke: Callable[[str], None],
    ) -> None:
        self._allocatable, self._events, self._clock, self._pods, self._poke = allocatable, events, clock, pods, poke
        self._grants: dict[str, Grant] = {}
        self._states: dict[str, ResizeState] = {}
        self._knows_all = False

    def start(self) -> None:
        """All pods of the node are known: before, nobody can say what is free."""
        self._knows_all = True
        self._review()

    def begin(self, pod: Obj) -> None:
        """The node takes the pod: it is granted what it asks for, or what an agent before this one granted it."""
        self._grants[uid_of(pod)] = remembered(pod)
        self._set(uid_of(pod), state_of(pod))
        self.asked(pod)

    def forget(self, uid: str) -> None:
        self._grants.pop(uid, None)
        self._states.pop(uid, None)

    def granted(self, pod: Obj) -> Obj:
        """The pod with the resources that the node grants it."""
        grant = self._grants.get(uid_of(pod))
        return pod if grant is None else with_grant(pod, grant)

    def state(self, uid: str) -> ResizeState:
        return self._states.get(uid, NO_RESIZE)

    def asked(self, pod: Obj) -> None:
        """The pod may ask for other resources than before."""
        if self._is_open(pod):
            self._review()

    def room(self) -> None:
        """A pod has left or has got smaller."""
        if any(state.pending for state in self._states.values()):
            self._review()

    def _review(self) -> None:
        if not self._knows_all:
            return
        pods = self._pods()
        for pod in sorted(filter(self._is_open, pods), key=self._order):
            others = [self.granted(each) for each in pods if each is not pod]
            if self._decide(pod, others):
                self._poke(uid_of(pod))

    def fail(self, pod: Obj, error: str) -> None:
        """The runtime or the node could not give a container its new limits now."""
        uid = uid_of(pod)
        state = self.state(uid)
        known = state.progress or Progress(_generation(pod))
        self._states[uid] = replace(
            state, progress=replace(known, error=error, retry_at=self._clock.now() + RETRY_SECONDS)
        )
        if known.error != error:
            self._events.pod(pod, WARNING, "ResizeError", summary(pod, "error", known.generation, error))

    def complete(self, pod: Obj) -> None:
        """Nothing of the pod that runs differs from what it was granted."""
        uid = uid_of(pod)
        state = self.state(uid)
        if state.progress is not None:
            self._set(uid, replace(state, progress=None))
            self._events.pod(pod, NORMAL, "ResizeCompleted", summary(pod, "completed", state.progress.generation))

    def _set(self, uid: str, state: ResizeState) -> None:
        if state == NO_RESIZE:
            self._states.pop(uid, None)
        else:
            self._states[uid] = state

    def _is_open(self, pod: Obj) -> bool:
        """Whether the pod asks for something else than it was granted, or is said to."""
        return self._differs(pod) or self.state(uid_of(pod)).pending is not None

    def _differs(self, pod: Obj) -> bool:
        return self.granted(pod) is not pod

    def _decide(self, pod: Obj, others: list[Obj]) -> bool:
        """Whether there is something new for the pod."""
        uid, state = uid_of(pod), self.state(uid_of(pod))
        if not self._differs(pod):
            # The wish was taken back.
            self._set(uid, replace(state, pending=None))
            return True
        refusal = judge(pod, others, self._allocatable)
        generation = _generation(pod)
        if refusal is None:
            self._grants[uid] = wanted(pod)
            self._states[uid] = ResizeState(progress=Progress(generation))
            self._events.pod(pod, NORMAL, "ResizeStarted", summary(pod, "started", generation))
            return True
        reason, message = refusal
        since = state.pending.since if state.pending else self._clock.now()
        pending = Pending(reason, message, generation, since)
        if pending == state.pending:
            return False
        self._states[uid] = replace(state, pending=pending)
        self._events.pod(pod, WARNING, f"Resize{reason}", summary(pod, reason, generation, message))
        return True

    def _order(self, pod: Obj) -> tuple[bool, int, bool, float]:
        """Those that ask for no more come first, then higher priorities, then Guaranteed, then who waits longest."""
        has, asks = requests_of(self.granted(pod)["spec"]), requests_of(pod["spec"])
        grows = any(asks.get(name, 0) > has.get(name, 0) for name in ("cpu", "memory"))
        pending = self.state(uid_of(pod)).pending
        since = pending.since if pending is not None else self._clock.now()
        return grows, -int(pod["spec"].get("priority") or 0), qos_class(pod) != GUARANTEED, since


def summary(pod: Obj, what: str, generation: int, error: str = "") -> str:
    """An event's message: the resources of the pod as JSON, as kubelet writes them."""
    content: Obj = {}
    if pod["spec"].get("resources"):
        content["resources"] = _ordered(pod["spec"]["resources"])
    for kind in ("initContainers", "containers"):
        containers = pod["spec"].get(kind) or ()
        if containers:
            content[kind] = [
                {"name": each["name"], "resources": _ordered(each.get("resources") or {})} for each in containers
            ]
    content["generation"] = generation
    if error:
        content["error"] = error
    return f"Pod resize {what}: {json.dumps(content, separators=(',', ':'), ensure_ascii=False)}"


def _ordered(resources: Obj) -> Obj:
    return {kind: dict(sorted(resources[kind].items())) for kind in ("limits", "requests") if resources.get(kind)}


def _generation(pod: Obj) -> int:
    return int(pod["metadata"].get("generation") or 0)
