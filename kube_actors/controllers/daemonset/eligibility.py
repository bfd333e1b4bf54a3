"""Where a DaemonSet's pods may run. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, name_of
from kube_actors.api.node_affinity import takes
from kube_actors.controllers.node_lifecycle.eviction import tolerates
from kube_actors.controllers.node_lifecycle.taints import NO_EXECUTE, taints_of

NO_SCHEDULE = "NoSchedule"
# A daemon looks after its node, so it stays and starts there whatever the node's condition.
_ALWAYS = (
    ("node.kubernetes.io/not-ready", NO_EXECUTE),
    ("node.kubernetes.io/unreachable", NO_EXECUTE),
    ("node.kubernetes.io/disk-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/memory-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/pid-pressure", NO_SCHEDULE),
    ("node.kubernetes.io/unschedulable", NO_SCHEDULE),
)
_HOST_NETWORK = ("node.kubernetes.io/network-unavailable", NO_SCHEDULE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`run`: the node should get a pod. `keep`: it may keep the one it has."""

    run: bool
    keep: bool


def tolerations_of(spec: Obj) -> list[Obj]:
    """The tolerations of a pod template's spec, with those that every daemon has."""
    wanted = [*_ALWAYS, *([_HOST_NETWORK] if spec.get("hostNetwork") else [])]
    added = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in wanted]
    given = spec.get("tolerations") or []
    return [*(each for each in given if (each.get("key"), each.get("effect")) not in wanted), *added]


def verdict(owner: Obj, node: Obj) -> Verdict:
    """Whether the node is one for this DaemonSet; its free resources do not matter."""
    spec = get_path(owner, "spec", "template", "spec", default={})
    if spec.get("nodeName") not in (None, "", name_of(node)) or not takes(spec, node):
        return Verdict(False, False)
    tolerations = tolerations_of(spec)
    if _tolerated(node, tolerations, (NO_SCHEDULE, NO_EXECUTE)):
        return Verdict(True, True)
    return Verdict(False, _tolerated(node, tolerations, (NO_EXECUTE,)))


def _tolerated(node: Obj, tolerations: Iterable[Obj], effects: tuple[str, ...]) -> bool:
    tolerations = list(tolerations)
    taints = (taint for taint in taints_of(node) if taint.get("effect") in effects)
    return all(any(tolerates(each, taint) for each in tolerations) for taint in taints)
