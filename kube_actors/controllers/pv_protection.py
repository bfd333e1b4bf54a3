"""A volume that is being deleted goes when it is not bound. Kubernetes: pkg/controller/volume/pvprotection."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.meta import get_path
from kube_actors.api.resources import builtin
from kube_actors.controllers.actions import UpdateObject
from kube_actors.controllers.base import Context, Controller
from kube_actors.controllers.finalizers import holds_deletion, without_finalizer

VOLUMES = builtin("v1", "persistentvolumes")
FINALIZER = "kubernetes.io/pv-protection"


def plan(volume: Obj) -> list[UpdateObject]:
    """Take the finalizer away where no claim is bound to the volume."""
    if not holds_deletion(volume, FINALIZER) or get_path(volume, "status", "phase") == "Bound":
        return []
    return [without_finalizer(VOLUMES, volume, FINALIZER)]


class PVProtectionController(Controller):
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
            (await self.perform(key, plan(volume))).raise_error()
