"""Whether the node takes a pod that was bound to it, as pkg/kubelet/lifecycle/predicate.go decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.pods import accounted, amounts_of, requests_of
from kube_actors.node.pods.actions import Failure
from kube_actors.node.status.conditions import FAILED, SUCCEEDED

_RESOURCES = ("cpu", "memory", "ephemeral-storage")
NODE_AFFINITY = "NodeAffinity"


@dataclass(frozen=True, slots=True)
class Shortage:
    """CPU in thousandths, everything else in whole units."""

    resource: str
    requested: int
    used: int
    capacity: int

    @property
    def text(self) -> str:
        return f"{self.resource}, requested: {self.requested}, used: {self.used}, capacity: {self.capacity}"

    def failure(self) -> Failure:
        return Failure(f"OutOf{self.resource}", f"Node didn't have enough resource: {self.text}")


def admit(pod: Obj, others: Iterable[Obj], labels: Mapping[str, str], allocatable: Mapping[str, str]) -> Failure | None:
    """Why the pod is refused; None where it is welcome. `others` are the node's pods, ended ones may be among them."""
    active = [each for each in others if (each.get("status") or {}).get("phase") not in (SUCCEEDED, FAILED)]
    selector = pod["spec"].get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        return _predicate(NODE_AFFINITY, "node(s) didn't match Pod's node affinity/selector")
    if host_ports(pod) and any(_clash(host_ports(pod), host_ports(each)) for each in active):
        return _predicate("NodePorts", "node(s) didn't have free ports for the requested pod ports")
    limit = int(allocatable.get("pods", "0") or 0)
    if limit and len(active) >= limit:
        return Shortage("pods", 1, len(active), limit).failure()
    shortage = lacking(requests_of(pod["spec"]), active, allocatable)
    return shortage.failure() if shortage else None


def too_much(asked: Mapping[str, int], allocatable: Mapping[str, str]) -> str:
    """What of CPU and memory an empty node would not have, in kubelet's words; else nothing."""
    for name in ("memory", "cpu"):
        capacity = amounts_of(allocatable).get(name, 0)
        if asked.get(name, 0) > capacity:
            return f"{name}, requested: {asked[name]}, capacity: {capacity}"
    return ""


def lacking(asked: Mapping[str, int], others: Iterable[Obj], allocatable: Mapping[str, str]) -> Shortage | None:
    """What the node has too little of beside `others`, as they were granted, the first of it."""
    # What the node does not have is left to those who schedule: kubelet ignores it too.
    counted = (*_RESOURCES, *(each for each in allocatable if "/" in each))
    names = [name for name in counted if name in allocatable and asked.get(name)]
    if not names:
        return None
    taken = [requests_of(accounted(each)) for each in others]
    for name, capacity in amounts_of({name: allocatable[name] for name in names}).items():
        used = sum(each.get(name, 0) for each in taken)
        if used + asked[name] > capacity:
            return Shortage(name, asked[name], used, capacity)
    return None


def host_ports(pod: Obj) -> set[tuple[str, str, int]]:
    """(address, protocol, port) of the host that the pod wants."""
    return {
        (str(port.get("hostIP") or "0.0.0.0"), str(port.get("protocol") or "TCP"), int(port["hostPort"]))
        for container in pod["spec"].get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    }


def _clash(wanted: set[tuple[str, str, int]], taken: set[tuple[str, str, int]]) -> bool:
    return any(a[1:] == b[1:] and (a[0] == b[0] or "0.0.0.0" in (a[0], b[0])) for a in wanted for b in taken)


def _predicate(name: str, why: str) -> Failure:
    return Failure(name, f"Predicate {name} failed: {why}")
