"""Volumes of this cluster's provisioners grow with their claims."""

from __future__ import annotations

from kube_actors.api import Obj, quantity
from kube_actors.api.meta import annotations_of, get_path, name_of, namespace_of
from kube_actors.api.volumes import BOUND, CLAIMS, LOCAL_PATH, PROVISIONED_BY, SHARED, VOLUMES, capacity, requested
from kube_actors.controllers.actions import NORMAL, Action, PatchObject, RecordEvent
from kube_actors.controllers.base import Context, Controller

# The conditions under which a claim grows; they end with it.
RESIZING = ("Resizing", "FileSystemResizePending")


def plan(claim: Obj, volume: Obj | None) -> list[Action]:
    """The volume's capacity first, then the claim's: one that is told too early would be a lie."""
    if volume is None or annotations_of(volume).get(PROVISIONED_BY) not in (LOCAL_PATH, SHARED):
        return []
    wanted = requested(claim)
    told = str(get_path(claim, "status", "capacity", "storage", default="0"))
    if get_path(claim, "status", "phase") != BOUND or quantity.compare(wanted, told) <= 0:
        return []
    actions: list[Action] = []
    if quantity.compare(capacity(volume), wanted) < 0:
        patch = {"spec": {"capacity": {"storage": wanted}}}
        actions.append(PatchObject(VOLUMES, "", name_of(volume), patch))
    kept = [each for each in get_path(claim, "status", "conditions", default=[]) if each.get("type") not in RESIZING]
    status = {"status": {"capacity": {"storage": wanted}, "conditions": kept or None}}
    actions.append(PatchObject(CLAIMS, namespace_of(claim), name_of(claim), status, subresource="status"))
    text = f"ExpandVolume succeeded for volume {namespace_of(claim)}/{name_of(claim)}"
    return [*actions, RecordEvent(claim, NORMAL, "VolumeResizeSuccessful", text)]


class PersistentVolumeExpander(Controller):
    """Keys are claims."""

    name = "persistentvolume-expander"
    event_source = "volume_expand"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.claims = self.informer(CLAIMS)
        self.volumes = self.informer(VOLUMES)
        self.enqueue_from(self.claims)

    async def sync(self, key: str) -> None:
        claim = self.claims.get(key)
        if claim is not None:
            volume = self.volumes.get(str(claim["spec"].get("volumeName") or ""))
            (await self.perform(key, plan(claim, volume))).raise_error()
