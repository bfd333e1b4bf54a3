"""A claim that is being deleted goes when no pod that runs uses it any more.

Admission (StorageObjectInUseProtection) sets the finalizer, this takes it away.
Kubernetes: pkg/controller/volume/pvcprotection.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, make_key, name_of, namespace_of
from kube_actors.api.resources import PODS, builtin
from kube_actors.controllers.actions import UpdateObject
from kube_actors.controllers.base import Context, Controller, On
from kube_actors.controllers.finalizers import holds_deletion, without_finalizer

CLAIMS = builtin("v1", "persistentvolumeclaims")
FINALIZER = "kubernetes.io/pvc-protection"


def claims_of(pod: Obj) -> set[str]:
    """The names of the claims that a pod mounts, those made for it included."""
    names = set()
    for volume in pod["spec"].get("volumes") or ():
        if "ephemeral" in volume:
            names.add(f"{name_of(pod)}-{volume['name']}")
        elif name := get_path(volume, "persistentVolumeClaim", "claimName"):
            names.add(name)
    return names


def uses(pod: Obj, claim: Obj) -> bool:
    """Whether the pod keeps the claim. A pod without a node never starts on a claim that is being deleted."""
    if not pod["spec"].get("nodeName") or get_path(pod, "status", "phase") in ("Succeeded", "Failed"):
        return False
    return name_of(claim) in claims_of(pod)


def plan(claim: Obj, pods: Iterable[Obj]) -> list[UpdateObject]:
    """Take the finalizer away where nothing needs the claim. `pods` are those of its namespace."""
    if not holds_deletion(claim, FINALIZER) or any(uses(pod, claim) for pod in pods):
        return []
    return [without_finalizer(CLAIMS, claim, FINALIZER)]


class PVCProtectionController(Controller):
    """Keys are claims; a change of a pod is one of all its claims."""

    name = "persistentvolumeclaim-protection"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.claims = self.informer(CLAIMS)
        self.pods = self.informer(PODS)
        self.enqueue_from(self.claims)
        self.pods.add_handler(On(lambda pod: None, lambda old, new: self._changed(new), self._changed))

    def _changed(self, pod: Obj) -> None:
        for name in claims_of(pod):
            self.queue.add(make_key(namespace_of(pod), name))

    async def sync(self, key: str) -> None:
        claim = self.claims.get(key)
        if claim is not None and holds_deletion(claim, FINALIZER):
            (await self.perform(key, plan(claim, self.pods.list(namespace_of(claim))))).raise_error()
