"""What the node has granted a pod of CPU and memory, beside what the pod asks for. Pure.

The two differ from a change of the pod's resources until the node has room for it. kubelet keeps its grants in a
file; here the pod's status is the record: allocatedResources are the requests granted, resources the limits applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kube_actors.api import Obj
from kube_actors.api.pods import lasting_containers
from kube_actors.api.quantity import parse

_RESIZED = ("cpu", "memory")


@dataclass(frozen=True, slots=True)
class Grant:
    """Resources by the names of containers and sidecars; `whole`: those of the pod as a whole."""

    containers: Mapping[str, Obj] = field(default_factory=dict)
    whole: Obj = field(default_factory=dict)


def wanted(pod: Obj) -> Grant:
    """What the pod asks for."""
    containers = {str(each["name"]): each.get("resources") or {} for each in lasting_containers(pod["spec"])}
    return Grant(containers, pod["spec"].get("resources") or {})


def remembered(pod: Obj) -> Grant:
    """What a pod had been granted by an agent before this one, as its status tells; else what it asks for."""
    status, asked = pod.get("status") or {}, wanted(pod)
    known = {
        str(each["name"]): _told(each)
        for kind in ("initContainerStatuses", "containerStatuses")
        for each in status.get(kind) or ()
        if "resources" in each
    }
    containers = {name: known.get(name, resources) for name, resources in asked.containers.items()}
    return Grant(containers, _told(status) if "resources" in status else asked.whole)


def _told(status: Obj) -> Obj:
    limits = (status.get("resources") or {}).get("limits")
    told = {"limits": limits, "requests": status.get("allocatedResources")}
    return {key: amounts for key, amounts in told.items() if amounts}


def with_grant(pod: Obj, grant: Grant) -> Obj:
    """The pod as if it asked for what it was granted; the same object where that is so."""
    changed: Obj = {}
    for field_name in ("containers", "initContainers"):
        items = pod["spec"].get(field_name) or []
        new = [_with(each, grant.containers.get(str(each["name"]))) for each in items]
        if any(one is not other for one, other in zip(new, items, strict=True)):
            changed[field_name] = new
    if not same(pod["spec"].get("resources") or {}, grant.whole):
        changed["resources"] = grant.whole
    return pod | {"spec": pod["spec"] | changed} if changed else pod


def _with(container: Obj, resources: Obj | None) -> Obj:
    if resources is None or same(container.get("resources") or {}, resources):
        return container
    kept = {key: value for key, value in (container.get("resources") or {}).items() if key == "claims"}
    return container | {"resources": resources | kept}


def same(one: Obj, other: Obj) -> bool:
    """Whether two resources are equal in what a resize may change."""
    return one == other or all(
        _amount(one, kind, name) == _amount(other, kind, name) for kind in ("requests", "limits") for name in _RESIZED
    )


def _amount(resources: Obj, kind: str, name: str) -> object:
    amount = (resources.get(kind) or {}).get(name)
    return None if amount is None else parse(amount)
