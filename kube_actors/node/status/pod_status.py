"""The status of a pod, as a pure function of what is wanted, what runs, what is remembered and the time."""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.node.containers.resources import qos_class
from kube_actors.node.pods.actions import Failure
from kube_actors.node.pods.facts import Facts
from kube_actors.node.pods.plan import restart_policy
from kube_actors.node.pods.restarts import NEVER, policy_of, restarts
from kube_actors.node.pods.view import ContainerView, PodView, Role
from kube_actors.node.status.conditions import DISRUPTION_TARGET, FAILED, SUCCEEDED, pod_conditions
from kube_actors.node.status.container_status import Frame, container_status, has_started

PENDING, RUNNING = "Pending", "Running"
TERMINAL = (SUCCEEDED, FAILED)
EVICTED = "Evicted"

# The fields of a pod's status that the node writes; all others belong to somebody else.
OWNED_FIELDS = (
    "phase", "conditions", "message", "reason", "hostIP", "hostIPs", "podIP", "podIPs", "startTime", "qosClass",
    "initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses", "observedGeneration",
    "resources", "allocatedResources",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Situation:
    """What a status depends on besides pod and containers.

    `over`: no container of the pod will start again, whatever its policy says. `failure`: why the node
    ended it. `rejected`: it did not even take it.
    """

    host_ip: str
    now: float
    over: bool = False
    failure: Failure | None = None
    rejected: bool = False


def pod_status(pod: Obj, view: PodView, facts: Facts, situation: Situation) -> Obj:
    """The status to write. Times of transitions and of the start are kept from the pod's present status."""
    old = pod.get("status") or {}
    phase = pod_phase(pod, view, facts, situation)
    frame = Frame(pod, facts, situation.now, view.initialized or _init_done(view, facts), situation.over)
    status: Obj = {
        "phase": phase,
        "conditions": pod_conditions(pod, view, facts, phase, situation.now),
        "hostIP": situation.host_ip,
        "hostIPs": [{"ip": situation.host_ip}],
        "startTime": old.get("startTime") or rfc3339(facts.started_at or situation.now),
        "qosClass": qos_class(pod),
    }
    if situation.failure is not None:
        status |= {"reason": situation.failure.reason, "message": situation.failure.message}
        if situation.failure.reason == EVICTED:
            status["conditions"] = _disrupted(status["conditions"], situation)
    elif phase == FAILED and old.get("phase") == FAILED:
        status |= {key: old[key] for key in ("reason", "message") if old.get(key)}
    ip = _ip(pod, view, situation.host_ip)
    if ip:
        status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    generation = pod["metadata"].get("generation")
    if generation:
        status["observedGeneration"] = generation
    whole = pod["spec"].get("resources")
    if whole:
        status |= {"resources": whole} | ({"allocatedResources": whole["requests"]} if whole.get("requests") else {})
    for key, roles in (
        ("initContainerStatuses", (Role.INIT, Role.SIDECAR)),
        ("containerStatuses", (Role.REGULAR,)),
        ("ephemeralContainerStatuses", (Role.EPHEMERAL,)),
    ):
        entries = [container_status(each, frame) for each in view.of(*roles)]
        if entries and not _never_had_containers(old, situation):
            status[key] = entries
    return status


def _never_had_containers(old: Obj, situation: Situation) -> bool:
    """Whether the node rejected the pod, now or before this agent's start: kubectl shows what containers wait for
    before it shows why a pod failed."""
    known = any(old.get(key) for key in ("initContainerStatuses", "containerStatuses"))
    return situation.rejected or (old.get("phase") == FAILED and bool(old.get("reason")) and not known)


def _disrupted(conditions: list[Obj], situation: Situation) -> list[Obj]:
    """With DisruptionTarget: what a Job's failure policy asks for to tell the node's doing from the pod's."""
    failure = situation.failure
    if failure is None or any(each.get("type") == DISRUPTION_TARGET for each in conditions):
        return conditions
    new = {
        "type": DISRUPTION_TARGET,
        "status": "True",
        "lastTransitionTime": rfc3339(situation.now),
        "reason": "TerminationByKubelet",
        "message": failure.message,
    }
    return [*conditions, new]


def pod_phase(pod: Obj, view: PodView, facts: Facts, situation: Situation) -> str:
    """Pending, Running, Succeeded or Failed, by kubelet's rules. A phase that is over stays."""
    old = (pod.get("status") or {}).get("phase")
    if old in TERMINAL:
        return str(old)
    if situation.failure is not None:
        return FAILED
    if not situation.over:
        if _init_failed(pod, view):
            return FAILED
        if not view.initialized and not _init_done(view, facts):
            return PENDING
    regular = view.of(Role.REGULAR)
    ended = [each.latest for each in regular if each.latest is not None and not each.latest.running]
    if not situation.over and any(_is_waiting(each) for each in regular):
        return PENDING
    if any(each.running for each in regular):
        return RUNNING
    if situation.over:
        return SUCCEEDED if ended and all(run.exit_code == 0 for run in ended) else FAILED if ended else PENDING
    if ended and not any(each.latest and restarts(pod, each, each.latest) for each in regular):
        if any(each.running for each in view.of(Role.SIDECAR)):
            return RUNNING
        return SUCCEEDED if all(run.exit_code == 0 for run in ended) else FAILED
    return RUNNING if ended else PENDING


def _is_waiting(view: ContainerView) -> bool:
    """Never ran: what ran and waits for its restart counts as stopped."""
    return view.latest is None


def _init_failed(pod: Obj, view: PodView) -> bool:
    if view.initialized:
        return False
    return any(
        each.latest is not None
        and not each.latest.running
        and each.latest.exit_code != 0
        and not restarts(pod, each, each.latest)
        and (policy_of(pod, each) == NEVER or restart_policy(pod) == NEVER)
        for each in view.of(Role.INIT)
    )


def _init_done(view: PodView, facts: Facts) -> bool:
    def done(each: ContainerView) -> bool:
        if each.role is Role.SIDECAR:
            return has_started(each, facts)
        return each.latest is not None and not each.latest.running and each.latest.exit_code == 0

    return all(done(each) for each in view.of(Role.INIT, Role.SIDECAR))


def _ip(pod: Obj, view: PodView, host_ip: str) -> str:
    if pod["spec"].get("hostNetwork"):
        return host_ip
    # The address of a pod whose sandbox is gone stays in its status, as with kubelet.
    return view.ip or str((pod.get("status") or {}).get("podIP") or "")
