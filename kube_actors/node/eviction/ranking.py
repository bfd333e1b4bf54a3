"""Whom to evict first. Pure.

Pods that use more than they requested come first, then those of lower priority, then those that are furthest above
their request. Static and critical pods are not evicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kube_actors.api import Obj, quantity
from kube_actors.api.meta import get_path, is_deleting, uid_of
from kube_actors.node.containers.resources import request_of
from kube_actors.node.pods.static_pods import is_static

# PriorityClass system-cluster-critical and above.
CRITICAL = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Use:
    """What a pod's containers use of the resource that is short, by container name."""

    containers: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.containers.values())


def is_evictable(pod: Obj) -> bool:
    if is_deleting(pod) or get_path(pod, "status", "phase") in ("Succeeded", "Failed"):
        return False
    return not is_static(pod) and int(pod["spec"].get("priority") or 0) < CRITICAL


def requested(pod: Obj, resource: str) -> int:
    return sum(quantity.to_int(request_of(each, resource)) for each in pod["spec"].get("containers") or ())


def ranked(pods: Iterable[Obj], uses: Mapping[str, Use], resource: str) -> list[Obj]:
    """The pods that may be evicted, the first to go first. `uses` by uid."""

    def order(pod: Obj) -> tuple[bool, int, int]:
        over = uses.get(uid_of(pod), Use({})).total - requested(pod, resource)
        return over <= 0, int(pod["spec"].get("priority") or 0), -over

    return sorted(filter(is_evictable, pods), key=order)


def message(pod: Obj, use: Use, resource: str, threshold: int, available: int) -> str:
    """What the status and the event say, as kubelet words it."""

    def amount(value: int) -> str:
        return quantity.from_int(value, binary=resource in ("memory", "ephemeral-storage"))

    text = f"The node was low on resource: {resource}. "
    text += f"Threshold quantity: {amount(threshold)}, available: {amount(available)}. "
    for container in pod["spec"].get("containers") or ():
        used = use.containers.get(container["name"], 0)
        request = quantity.to_int(request_of(container, resource))
        if used > request:
            text += (
                f"Container {container['name']} was using {amount(used)}, request is "
                f"{request_of(container, resource)}, has larger consumption of {resource}. "
            )
    return text
