"""Which container gets which device. Pure: no IO, no time.

Rules of kubelet's device manager (pkg/kubelet/cm/devicemanager/manager.go): a pod gets all of its devices when it is
admitted or is refused; what an init container had, a later container of the same pod has again, but for sidecars,
which go on beside them; a device belongs to one pod only, until the pod has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kube_actors.api import Obj
from kube_actors.api.quantity import to_int
from kube_actors.node.containers.resources import limit_of
from kube_actors.node.pods.actions import Failure
from kube_actors.node.pods.view import Role, specs
from kube_actors.node.runtime.interface import DeviceGrant

UNEXPECTED = "UnexpectedAdmissionError"


class Allocator:
    """The devices of a node and who has them. A resource it was never told of is none of its business."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, None]] = {}
        self._present: dict[str, tuple[str, ...]] = {}
        self._grants: dict[str, tuple[DeviceGrant, ...]] = {}

    def know(self, resource: str) -> None:
        """There were devices once; none is there now."""
        self._known.setdefault(resource, {})
        self._present.setdefault(resource, ())

    def set_present(self, resource: str, ids: Sequence[str]) -> bool:
        """The devices that are there now, in the order in which they are given out; whether that is news."""
        if resource not in self._known and not ids:
            return False
        news = self._present.get(resource) != tuple(ids)
        self._known.setdefault(resource, {}).update(dict.fromkeys(ids))
        self._present[resource] = tuple(ids)
        return news

    @property
    def capacity(self) -> Mapping[str, str]:
        """Every device that was ever seen, as kubelet counts."""
        return {resource: str(len(ids)) for resource, ids in self._known.items()}

    @property
    def allocatable(self) -> Mapping[str, str]:
        """Those that are there."""
        return {resource: str(len(ids)) for resource, ids in self._present.items()}

    def grants(self, uid: str) -> tuple[DeviceGrant, ...]:
        return self._grants.get(uid, ())

    def of_container(self, uid: str, name: str) -> tuple[DeviceGrant, ...]:
        """One grant a resource of the node: an empty one says that the container has none of it."""
        mine = {grant.resource: grant for grant in self.grants(uid) if grant.container == name}
        return tuple(mine.get(resource) or DeviceGrant(name, resource) for resource in self._known)

    def restore(self, uid: str, grants: Iterable[DeviceGrant]) -> None:
        """What the runtime tells of a pod from an earlier life of the agent."""
        found = tuple(grants)
        if found:
            self._grants[uid] = found

    def release(self, uid: str) -> None:
        self._grants.pop(uid, None)

    def allocate(self, pod: Obj) -> Failure | None:
        """Give the pod its devices, or say why it is refused; then nothing has changed. A pod has them once."""
        uid = str(pod["metadata"]["uid"])
        if uid in self._grants:
            return None
        granted: list[DeviceGrant] = []
        for resource in self._present:
            try:
                granted += self._choose(pod, resource)
            except _TooFew as failure:
                return Failure(UNEXPECTED, f"Allocate failed due to {failure}, which is unexpected")
        self.restore(uid, granted)
        return None

    def _choose(self, pod: Obj, resource: str) -> list[DeviceGrant]:
        """Raises _TooFew."""
        taken = {each for grants in self._grants.values() for grant in grants for each in grant.ids}
        free = [each for each in self._present[resource] if each not in taken]
        reusable: list[str] = []
        granted = []
        for container, role in specs(pod):
            wanted = to_int(limit_of(container, resource))
            if not wanted or role is Role.EPHEMERAL:
                continue
            again, missing = reusable[:wanted], wanted - len(reusable[:wanted])
            if not self._present[resource]:
                raise _TooFew(f"no healthy devices present; cannot allocate unhealthy devices {resource}")
            if missing > len(free):
                counts = f"Requested: {missing}, Available: {len(free)}"
                raise _TooFew(f"requested number of devices unavailable for {resource}. {counts}")
            ids, free = again + free[:missing], free[missing:]
            granted.append(DeviceGrant(str(container["name"]), resource, tuple(ids)))
            reusable = [each for each in reusable if each not in ids]
            if role is Role.INIT:
                reusable = ids + reusable
        return granted


class _TooFew(Exception):
    """Why a container does not get what it asks for, in kubelet's words."""
