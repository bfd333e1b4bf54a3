"""Who decides whether the node takes a pod, in kubelet's order: pressure and confinement, devices,
then what the Node says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kube_actors.api import Obj
from kube_actors.api.meta import uid_of
from kube_actors.node.devices.allocator import Allocator
from kube_actors.node.pods.actions import Failure
from kube_actors.node.pods.admission import admit
from kube_actors.node.status.conditions import FAILED, SUCCEEDED

Refuses = Callable[[Obj], Failure | None]


class Gate:
    """`labels` and `allocatable` are the Node's own until `observe` tells those that it has in the API.

    `first`: why the node takes no such pod, whatever it has.
    """

    def __init__(
        self, labels: Mapping[str, str], allocatable: Mapping[str, str], devices: Allocator, first: Refuses
    ) -> None:
        self._labels, self._allocatable = labels, allocatable
        self._devices, self._first = devices, first

    def observe(self, node: Obj) -> None:
        """The Node as the API server has it: people label it, and give it resources of their own."""
        self._labels = node["metadata"].get("labels") or {}
        self._allocatable = (node.get("status") or {}).get("allocatable") or self._allocatable

    def refuses(self, pod: Obj, others: Iterable[Obj]) -> Failure | None:
        """Why the pod is not taken; where it is, its devices are its own. `others` are the node's pods."""
        status = pod.get("status") or {}
        if status.get("phase") in (SUCCEEDED, FAILED):
            return None
        if status.get("startTime"):
            # It runs here already; the agent has restarted. Of devices it may have been given none yet.
            return self._devices.allocate(pod)
        failure = self._first(pod) or self._devices.allocate(pod)
        if failure is None:
            # Devices have just been counted, by those who know which.
            counted = {name: amount for name, amount in self._allocatable.items() if name not in self._devices.capacity}
            failure = admit(pod, others, self._labels, counted)
        if failure is not None:
            self._devices.release(uid_of(pod))
        return failure
