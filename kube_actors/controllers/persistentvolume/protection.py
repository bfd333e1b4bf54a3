"""What is in use is not deleted: finalizers of claims that pods use, and of volumes that are bound.

Admission gives both their finalizer when they are created; these controllers take it off, and give it to what was
created without (the Kubernetes concept "Storage Object in Use Protection").
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, is_deleting, split_key
from kube_actors.api.resources import PODS, Resource
from kube_actors.api.volumes import BOUND, CLAIMS, VOLUMES
from kube_actors.controllers.actions import UpdateObject
from kube_actors.controllers.base import Context, Controller, On
from kube_actors.controllers.indexes import CLAIM, USING_CLAIM, by_claim

CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
VOLUME_FINALIZER = "kubernetes.io/pv-protection"


def holds(pod: Obj) -> bool:
    """Whether a pod keeps its claims: one that never got a node uses nothing, one that has ended no more."""
    return bool(pod["spec"].get("nodeName")) and get_path(pod, "status", "phase") not in ("Succeeded", "Failed")


def plan(resource: Resource, obj: Obj, finalizer: str, *, in_use: bool) -> list[UpdateObject]:
    """Take the finalizer off what is deleted and not in use; give it to what has none."""
    present = list(obj["metadata"].get("finalizers") or ())
    if is_deleting(obj):
        if in_use or finalizer not in present:
            return []
        wanted = [each for each in present if each != finalizer]
    elif finalizer in present:
        return []
    else:
        wanted = [*present, finalizer]
    return [UpdateObject(resource, obj | {"metadata": obj["metadata"] | {"finalizers": wanted}})]


class ClaimProtectionController(Controller):
    """Keys are claims."""

    name = "persistentvolumeclaim-protection"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.claims = self.informer(CLAIMS)
        self.pods = self.informer(PODS, USING_CLAIM)
        self.enqueue_from(self.claims)
        self.pods.add_handler(On(lambda pod: None, lambda old, new: self._let_go(new), self._let_go))

    def _let_go(self, pod: Obj) -> None:
        for key in by_claim(pod):
            claim = self.claims.get(key)
            if claim is not None and is_deleting(claim):
                self.queue.add(key)

    async def sync(self, key: str) -> None:
        claim = self.claims.get(key)
        if claim is None:
            return
        in_use = any(holds(pod) for pod in self.pods.by_index(CLAIM, key))
        if is_deleting(claim) and not in_use:
            # The cache may not show yet the pod that came a moment ago.
            namespace, _ = split_key(key)
            pods = (await self.client.list(PODS, namespace)).items
            in_use = any(holds(pod) and key in by_claim(pod) for pod in pods)
        (await self.perform(key, plan(CLAIMS, claim, CLAIM_FINALIZER, in_use=in_use))).raise_error()


class VolumeProtectionController(Controller):
    """Keys are volumes."""

    name = "persistentvolume-protection"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.volumes = self.informer(VOLUMES)
        self.enqueue_from(self.volumes)

    async def sync(self, key: str) -> None:
        volume = self.volumes.get(key)
        if volume is not None:
            in_use = get_path(volume, "status", "phase") == BOUND
            (await self.perform(key, plan(VOLUMES, volume, VOLUME_FINALIZER, in_use=in_use))).raise_error()
