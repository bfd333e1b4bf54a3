"""The status of one container: state, last state, readiness, in Kubernetes' words."""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.node.containers.resources import applied
from kube_actors.node.pods.backoff import duration, ready_at
from kube_actors.node.pods.facts import HEALTHY, Definition, Facts
from kube_actors.node.pods.restarts import restarts
from kube_actors.node.pods.view import START_ERROR, ContainerView, Role, Run


@dataclass(frozen=True, slots=True)
class Frame:
    """What the states of a pod's containers depend on besides the containers: `over` once none will start again."""

    pod: Obj
    facts: Facts
    now: float
    initialized: bool
    over: bool = False


def container_status(view: ContainerView, frame: Frame) -> Obj:
    """An entry of containerStatuses, initContainerStatuses or ephemeralContainerStatuses."""
    waiting = _waiting(view, frame)
    run = view.latest
    if waiting is not None:
        state, last = {"waiting": waiting}, run
    elif run is None:
        state, last = {"waiting": _not_yet(view, frame)}, None
    elif run.running:
        state, last = {"running": {"startedAt": rfc3339(run.started_at)}}, view.previous
    else:
        state, last = {"terminated": terminated(run)}, view.previous
    status: Obj = {
        "name": view.name,
        "state": state,
        "lastState": {"terminated": terminated(last)} if last is not None and not last.running else {},
        "ready": is_ready(view, frame.facts),
        "restartCount": run.attempt if run else 0,
        "image": (run.image if run else "") or str(view.spec.get("image") or ""),
        "imageID": run.image_id if run else "",
        "started": has_started(view, frame.facts),
    }
    if run is not None and run.id:
        status["containerID"] = run.id
    return status | _resources(view, frame) | _mounts(view.spec)


def is_ready(view: ContainerView, facts: Facts) -> bool:
    """A running container that has started and whose readiness probe says so; an init container that succeeded."""
    run = view.latest
    if run is None:
        return False
    if view.role is Role.INIT:
        return not run.running and run.exit_code == 0
    probed = facts.probed.get(run.id, HEALTHY)
    return run.running and probed.started and probed.ready


def has_started(view: ContainerView, facts: Facts) -> bool:
    """Whether it runs and its startup probe, if it has one, has succeeded."""
    run = view.latest
    if run is None or not run.running:
        return False
    return view.role is Role.INIT or facts.probed.get(run.id, HEALTHY).started


def terminated(run: Run) -> Obj:
    """A ContainerStateTerminated."""
    state: Obj = {"exitCode": run.exit_code, "reason": run.reason or ("Error" if run.exit_code else "Completed")}
    if run.message:
        state["message"] = run.message
    # Kubernetes shows the beginning of time for a run that never began, and nothing where it does not know.
    state["startedAt"] = rfc3339(run.started_at) if run.started_at or run.reason == START_ERROR else None
    state["finishedAt"] = rfc3339(run.finished_at) if run.finished_at else None
    if run.id:
        state["containerID"] = run.id
    return state


def _waiting(view: ContainerView, frame: Frame) -> Obj | None:
    """Why a container that ran or was tried does not run now, where that is for a reason to be told."""
    if view.running or frame.over:
        return None
    run = view.latest
    if run is not None and not restarts(frame.pod, view, run):
        return None
    definition = Definition.of(view.spec)
    tried = frame.facts.waiting.get(definition)
    if tried is not None:
        return {"reason": tried.reason, "message": tried.message}
    entry = frame.facts.backoff.get(definition)
    if run is not None and entry is not None and ready_at(entry, run.finished_at) > frame.now:
        message = f"back-off {duration(entry.delay)} restarting failed container={view.name} pod={full_name(frame.pod)}"
        return {"reason": "CrashLoopBackOff", "message": message}
    return None


def _not_yet(view: ContainerView, frame: Frame) -> Obj:
    """Why a container has never run."""
    has_init = bool(frame.pod["spec"].get("initContainers"))
    waits_for_init = has_init and not frame.initialized
    return {"reason": "PodInitializing" if waits_for_init else "ContainerCreating"}


def full_name(pod: Obj) -> str:
    """`name_namespace(uid)`, kubelet's way of naming a pod in messages."""
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"


def _resources(view: ContainerView, frame: Frame) -> Obj:
    """What was granted, and what is in force of it. The API server takes a status without for a node that cannot
    resize. Of a container that never ran it is told while it is not what the pod asks for, for the next agent."""
    resources = view.spec.get("resources") or {}
    if view.role is Role.EPHEMERAL or (view.latest is None and frame.facts.resize.pending is None):
        return {}
    shown: Obj = {"resources": resources}
    if view.latest is not None and view.running:
        shown["resources"] = applied(resources, view.latest.limits, _told_before(view, frame.pod))
    if resources.get("requests"):
        shown["allocatedResources"] = resources["requests"]
    return shown


def _told_before(view: ContainerView, pod: Obj) -> Obj:
    status = pod.get("status") or {}
    kind = "initContainerStatuses" if view.role is Role.SIDECAR else "containerStatuses"
    return next((each.get("resources") or {} for each in status.get(kind) or () if each["name"] == view.name), {})


def _mounts(spec: Obj) -> Obj:
    mounts = []
    for each in spec.get("volumeMounts") or ():
        mount: Obj = {"name": each["name"], "mountPath": each["mountPath"]}
        if each.get("readOnly"):
            mount |= {"readOnly": True, "recursiveReadOnly": each.get("recursiveReadOnly") or "Disabled"}
        mounts.append(mount)
    return {"volumeMounts": mounts} if mounts else {}
