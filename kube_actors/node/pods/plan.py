"""What to do next for a pod, as a pure function of what is wanted, what runs, what is remembered and the time.

It is level-triggered: the worker plans, performs, looks again and plans again, until a plan asks for
nothing. A plan never asks to start what runs, nor for more than one run of a container.

    no sandbox ──> CreateSandbox ──> init containers, one after another (a sidecar: until it has started)
        ^                                   └──> all regular and ephemeral containers
        └── RemoveSandbox <── sandbox died          ended: restart by policy after the backoff, or done
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.node.containers.resources import limits_of, pod_limits
from kube_actors.node.pods.actions import (
    Action,
    BackingOff,
    CreateSandbox,
    Failure,
    KillContainer,
    Plan,
    RemoveContainer,
    RemoveSandbox,
    ResizeContainers,
    StartContainer,
    Update,
)
from kube_actors.node.pods.backoff import ready_at
from kube_actors.node.pods.facts import HEALTHY, Definition, Facts
from kube_actors.node.pods.restarts import ALWAYS, restarts
from kube_actors.node.pods.view import ContainerView, PodView, Role
from kube_actors.node.runtime.interface import Limits

DEADLINE_EXCEEDED = Failure("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


@dataclass(slots=True)
class _Draft:
    """A plan in the making."""

    actions: list[Action] = field(default_factory=list)
    wakes: list[float] = field(default_factory=list)
    backing_off: list[BackingOff] = field(default_factory=list)
    resizing: bool = False

    def plan(self) -> Plan:
        wake_at = min(self.wakes, default=None)
        return Plan(tuple(self.actions), wake_at, backing_off=tuple(self.backing_off), resizing=self.resizing)


def plan_pod(pod: Obj, view: PodView, facts: Facts, now: float) -> Plan:
    """The next actions for a pod that shall run."""
    draft = _Draft()
    deadline = _deadline(pod, facts)
    if deadline is not None:
        if now >= deadline:
            return Plan(finished=True, failure=DEADLINE_EXCEEDED)
        draft.wakes.append(deadline)
    if finished(pod, view):
        return Plan(finished=True)
    if not view.sandbox_ready:
        _plan_sandbox(view, draft)
        return draft.plan()
    _plan_containers(pod, view, facts, now, draft)
    draft.actions.extend(RemoveContainer(id) for each in view.containers for id in each.garbage)
    return draft.plan()


def finished(pod: Obj, view: PodView) -> bool:
    """Whether every regular container has ended for good, or initialization has failed for good."""
    for each in view.of(Role.INIT):
        run = each.latest
        if each.exited and run is not None and run.exit_code != 0 and not restarts(pod, each, run):
            return not view.initialized
    regular = view.of(Role.REGULAR)
    return bool(regular) and all(
        each.exited and each.latest is not None and not restarts(pod, each, each.latest) for each in regular
    )


def _deadline(pod: Obj, facts: Facts) -> float | None:
    seconds = pod["spec"].get("activeDeadlineSeconds")
    if seconds is None:
        return None
    started = (pod.get("status") or {}).get("startTime")
    begin = parse_rfc3339(started) if started else facts.started_at
    return begin + float(seconds)


def _plan_sandbox(view: PodView, draft: _Draft) -> None:
    if view.running:
        # Their ends are seen and told before the sandbox and all records of it go.
        for each in view.running:
            if each.latest is not None:
                message = f"Stopping container {each.name}"
                draft.actions.append(KillContainer(each.latest.id, each.name, message, hooks=False))
    elif view.sandbox_id:
        draft.actions.append(RemoveSandbox(view.sandbox_id))
    else:
        draft.actions.append(CreateSandbox(view.sandbox_attempt))


def _plan_containers(pod: Obj, view: PodView, facts: Facts, now: float, draft: _Draft) -> None:
    _plan_resize(pod, view, facts, now, draft)
    for each in view.running:
        _plan_kill(each, facts, draft)
    for stranger in view.strangers:
        message = f"Container {stranger.name} is not in the pod's specification any more"
        draft.actions.append(KillContainer(stranger.id, stranger.name, message))
    if not _plan_initialization(pod, view, facts, now, draft):
        return
    for each in view.of(Role.EPHEMERAL, Role.REGULAR):
        if not each.running:
            _plan_start(pod, each, facts, now, draft)


def _plan_kill(view: ContainerView, facts: Facts, draft: _Draft) -> None:
    run = view.latest
    if run is None or view.role is Role.EPHEMERAL:
        return
    probed = facts.probed.get(run.id, HEALTHY)
    if run.id in facts.doomed:
        draft.actions.append(KillContainer(run.id, view.name, "FailedPostStartHook"))
    elif probed.failed:
        message = f"Container {view.name} failed {probed.failed} probe, will be restarted"
        draft.actions.append(KillContainer(run.id, view.name, message, probe=probed.failed))
    elif _is_outdated(view):
        resized = run.spec_hash.partition(" ")[0] == str(view.spec.get("image"))
        message = "resize requires restart" if resized else "definition changed, will be restarted"
        draft.actions.append(KillContainer(run.id, view.name, f"Container {view.name} {message}", replaced=True))
        draft.resizing = draft.resizing or resized


def _is_outdated(view: ContainerView) -> bool:
    run = view.latest
    return run is not None and bool(run.spec_hash) and run.spec_hash != spec_hash(view.spec)


def _plan_resize(pod: Obj, view: PodView, facts: Facts, now: float, draft: _Draft) -> None:
    """Bring what runs to the limits that were granted, in place. Without a resize nothing is looked at: what the
    runtime made of the limits at the start of a container is its business."""
    progress = facts.resize.progress
    if progress is None:
        return
    updates = [_update(pod, each) for each in view.of(Role.SIDECAR, Role.REGULAR) if not _is_outdated(each)]
    due = [each for each in updates if each is not None]
    whole = pod_limits(pod)
    if not due and facts.whole == whole:
        return
    draft.resizing = True
    if progress.retry_at > now:
        draft.wakes.append(progress.retry_at)
        return
    # Who gives memory back comes before who takes it.
    ordered = tuple(sorted(due, key=lambda each: not each.shrinks))
    shrinks = any(each.shrinks for each in due) or _shrinks(facts.whole or Limits(), whole)
    draft.actions.append(ResizeContainers(ordered, whole, shrinks))


def _update(pod: Obj, view: ContainerView) -> Update | None:
    run, limits = view.latest, limits_of(pod, view.spec)
    if run is None or not run.running or run.limits is None or run.limits == limits:
        return None
    return Update(run.id, view.name, limits, _shrinks(run.limits, limits))


def _shrinks(before: Limits, after: Limits) -> bool:
    return bool(after.memory_bytes) and not 0 < before.memory_bytes <= after.memory_bytes


def _plan_initialization(pod: Obj, view: PodView, facts: Facts, now: float, draft: _Draft) -> bool:
    """Whether the regular containers may start; else the step that initialization takes next is in the draft."""
    initialized = view.initialized
    for each in view.of(Role.INIT, Role.SIDECAR):
        run = each.current
        if each.role is Role.SIDECAR:
            if not each.running:
                _plan_start(pod, each, facts, now, draft)
            # Once the pod is initialized, a sidecar that restarts holds nobody up.
            if not initialized and not _has_started(each, facts):
                return False
        elif not initialized and not (run is not None and not run.running and run.exit_code == 0):
            if not each.running:
                _plan_start(pod, each, facts, now, draft, again=run is None)
            return False
    return True


def _has_started(view: ContainerView, facts: Facts) -> bool:
    run = view.latest
    return run is not None and run.running and facts.probed.get(run.id, HEALTHY).started


def _plan_start(pod: Obj, view: ContainerView, facts: Facts, now: float, draft: _Draft, *, again: bool = False) -> None:
    """Start the container now, later, or not at all. `again`: a new sandbox, so the past does not matter."""
    run, definition = view.latest, Definition.of(view.spec)
    at, after = now, None
    if run is not None and not again:
        if not restarts(pod, view, run):
            return
        after = run.finished_at
        entry = facts.backoff.get(definition)
        at = ready_at(entry, run.finished_at)
        if entry is not None and at > now:
            draft.backing_off.append(BackingOff(view.name, run.attempt, entry.delay))
    waiting = facts.waiting.get(definition)
    if waiting is not None:
        at = max(at, waiting.retry_at)
    if at > now:
        draft.wakes.append(at)
        return
    draft.actions.append(StartContainer(view.name, view.next_attempt, after))


def spec_hash(container: Obj) -> str:
    """What of a running container's definition may change by an update that restarts it: its image, and resources
    whose resizePolicy says so."""
    resources = container.get("resources") or {}
    restarting = [
        f"{kind}.{policy['resourceName']}={(resources.get(kind) or {}).get(policy['resourceName'], '')}"
        for policy in container.get("resizePolicy") or ()
        if policy.get("restartPolicy") == "RestartContainer"
        for kind in ("requests", "limits")
    ]
    return " ".join([str(container.get("image") or ""), *restarting])


def restart_policy(pod: Obj) -> str:
    return str(pod["spec"].get("restartPolicy") or ALWAYS)
