"""One sync of a DaemonSet. Pure: what the caches show and the time go in, the change comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, is_deleting, name_of, namespace_of, uid_of
from kube_actors.api.resources import PODS
from kube_actors.controllers.actions import NORMAL, WARNING, CreateObject, DeleteObject, RecordEvent
from kube_actors.controllers.daemonset.eligibility import Verdict
from kube_actors.controllers.daemonset.pods import Template, by_node, new_pod, oldest_first, target_node
from kube_actors.controllers.daemonset.rolling import allows_surge, plan_step
from kube_actors.controllers.pods import is_available, is_ready, phase_of
from kube_actors.controllers.replicaset.plan import BURST


@dataclass(frozen=True, slots=True)
class View:
    """What one sync sees. `verdicts` are of all nodes, by name; `resting` are nodes whose pod failed only just."""

    owner: Obj
    pods: Sequence[Obj]
    verdicts: Mapping[str, Verdict]
    template: Template
    now: float
    resting: frozenset[str] = frozenset()


@dataclass(slots=True)
class Change:
    """`failed`: nodes whose failed pod is deleted by this change."""

    create: list[CreateObject] = field(default_factory=list)
    delete: list[DeleteObject] = field(default_factory=list)
    events: list[RecordEvent] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.create or self.delete)


def plan(view: View) -> Change:
    """Put each node right; where all are, a step of the rolling update."""
    change = _manage(view)
    if change or change.events:
        return _bounded(change)
    strategy = get_path(view.owner, "spec", "updateStrategy", "type", default="RollingUpdate")
    if strategy == "RollingUpdate":
        nodes = by_node(view.pods)
        wanted = [node for node, verdict in view.verdicts.items() if verdict.run]
        old, surge = plan_step(view.owner, nodes, wanted, view.template, view.now)
        change.delete = [_delete(pod) for pod in old]
        change.create = [_create(view, node) for node in surge]
    return _bounded(change)


def _manage(view: View) -> Change:
    change = Change()
    nodes = by_node(view.pods)
    surge = allows_surge(view.owner)
    for node, verdict in sorted(view.verdicts.items()):
        pods = nodes.get(node, [])
        staying = [pod for pod in pods if not is_deleting(pod)]
        if verdict.run and not pods:
            change.create.append(_create(view, node))
        elif verdict.keep:
            running = [pod for pod in staying if not _replaced(view, node, pod, change)]
            surplus = _surplus_with_surge(view, running) if surge else oldest_first(running)[1:]
            change.delete += [_delete(pod) for pod in surplus]
        else:
            change.delete += [_delete(pod) for pod in staying]
    # Pinned to a node that went before they were bound: nobody else would end them.
    lost = [pod for pod in view.pods if not get_path(pod, "spec", "nodeName") and not is_deleting(pod)]
    change.delete += [_delete(pod) for pod in lost if (node := target_node(pod)) and node not in view.verdicts]
    return change


def _replaced(view: View, node: str, pod: Obj, change: Change) -> bool:
    """Whether the pod ended; it is deleted, and a later sync makes another."""
    where = f"daemon pod {namespace_of(pod)}/{name_of(pod)} on node {node}"
    if phase_of(pod) == "Failed":
        if node in view.resting:
            return True
        text = f"Found failed {where}, will try to kill it"
        change.events.append(RecordEvent(view.owner, WARNING, "FailedDaemonPod", text))
        change.failed.append(node)
    elif phase_of(pod) == "Succeeded":
        text = f"Found succeeded {where}, will try to delete it"
        change.events.append(RecordEvent(view.owner, NORMAL, "SucceededDaemonPod", text))
    else:
        return False
    change.delete.append(_delete(pod))
    return True


def _surplus_with_surge(view: View, running: Sequence[Obj]) -> list[Obj]:
    """All but the oldest of each sort; the old one too, once it is not needed any more."""
    if len(running) <= 1:
        return []
    ordered = oldest_first(running)
    new = [pod for pod in ordered if view.template.made(pod)]
    old = [pod for pod in ordered if not view.template.made(pod)]
    surplus = [*new[1:], *old[1:]]
    if new and old:
        min_ready = view.owner["spec"].get("minReadySeconds", 0)
        if not is_ready(old[0]) or is_available(new[0], min_ready, view.now):
            surplus.append(old[0])
    return surplus


def _bounded(change: Change) -> Change:
    change.create = change.create[:BURST]
    change.delete = change.delete[:BURST]
    return change


def _create(view: View, node: str) -> CreateObject:
    return CreateObject(PODS, new_pod(view.owner, node, view.template))


def _delete(pod: Obj) -> DeleteObject:
    return DeleteObject(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod))
