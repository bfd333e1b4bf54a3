"""Whether the node takes a pod that was bound to it, as pkg/kubelet/lifecycle/predicate.go decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kube_actors.api import Obj
from kube_actors.api.quantity import milli
from kube_actors.node.actions import Failure
from kube_actors.node.conditions import FAILED, SUCCEEDED
from kube_actors.node.resources import request_of

_RESOURCES = ("cpu", "memory", "ephemeral-storage")
NODE_AFFINITY = "NodeAffinity"


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
        return _shortage("pods", 1, len(active), limit)
    # What the node does not have is left to those who schedule: kubelet ignores it too.
    for resource in (*_RESOURCES, *(name for name in allocatable if "/" in name)):
        wanted = requested(pod, resource)
        if wanted and resource in allocatable:
            used, capacity = sum(requested(each, resource) for each in active), milli(allocatable[resource])
            if used + wanted > capacity:
                unit = 1 if resource == "cpu" else 1000
                return _shortage(resource, wanted // unit, used // unit, capacity // unit)
    return None


def requested(pod: Obj, resource: str) -> int:
    """Thousandths of the resource that the pod asks for: its containers together, or its largest init container."""
    spec = pod["spec"]
    regular = sum(milli(request_of(each, resource)) for each in spec.get("containers") or ())
    sidecars = largest = 0
    for each in spec.get("initContainers") or ():
        amount = milli(request_of(each, resource))
        if each.get("restartPolicy") == "Always":
            sidecars += amount
            largest = max(largest, sidecars)
        else:
            largest = max(largest, sidecars + amount)
    overhead = milli((spec.get("overhead") or {}).get(resource, "0"))
    return max(regular + sidecars, largest) + overhead


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
    return Failure(name, f"Pod was rejected: Predicate {name} failed: {why}")


def _shortage(resource: str, requested: int, used: int, capacity: int) -> Failure:
    text = f"{resource}, requested: {requested}, used: {used}, capacity: {capacity}"
    return Failure(f"OutOf{resource}", f"Pod was rejected: Node didn't have enough resource: {text}")
