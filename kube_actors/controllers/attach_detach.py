"""VolumeAttachments for volumes of drivers that attach: one for each volume and node where a pod needs it.

Who attaches is the driver's business (it watches VolumeAttachments and says status.attached); this controller says
what is wanted. A driver without a CSIDriver object, or with attachRequired true, attaches.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.errors import AlreadyExists
from kube_actors.api.meta import get_path, is_deleting, make_key, name_of, namespace_of, uid_of
from kube_actors.api.resources import PODS, builtin
from kube_actors.api.volumes import CLAIMS, VOLUMES, claim_names, is_fully_bound
from kube_actors.controllers.actions import AllAtOnce, CreateObject, DeleteObject
from kube_actors.controllers.base import Context, Controller, On
from kube_actors.controllers.indexes import NODE, ON_NODE
from kube_actors.controllers.pods import is_terminal

ATTACHMENTS = builtin("storage.k8s.io/v1", "volumeattachments")
DRIVERS = builtin("storage.k8s.io/v1", "csidrivers")


def attachment_name(driver: str, handle: str, node: str) -> str:
    """The name that kubelets look for (getAttachmentName of the CSI plugin)."""
    return f"csi-{hashlib.sha256(f'{handle}{driver}{node}'.encode()).hexdigest()}"


def attachment(volume: Obj, node: str) -> Obj:
    source = volume["spec"]["csi"]
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": {"name": attachment_name(source["driver"], source["volumeHandle"], node)},
        "spec": {
            "attacher": source["driver"],
            "nodeName": node,
            "source": {"persistentVolumeName": name_of(volume)},
        },
    }


def plan(node: str, wanted: Iterable[Obj], present: Iterable[Obj]) -> list[CreateObject | DeleteObject]:
    """`wanted`: the volumes that pods of the node use; `present`: the node's attachments."""
    needed = {each["metadata"]["name"]: each for each in (attachment(volume, node) for volume in wanted)}
    there = {name_of(each): each for each in present}
    surplus = [each for name, each in there.items() if name not in needed and not is_deleting(each)]
    return [
        *(CreateObject(ATTACHMENTS, new) for name, new in needed.items() if name not in there),
        *(DeleteObject(ATTACHMENTS, "", name_of(each), uid=uid_of(each)) for each in surplus),
    ]


class AttachDetachController(Controller):
    """Keys are nodes."""

    name = "persistentvolume-attach-detach"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pods = self.informer(PODS, ON_NODE)
        self.claims = self.informer(CLAIMS)
        self.volumes = self.informer(VOLUMES)
        self.drivers = self.informer(DRIVERS)
        self.attachments = self.informer(ATTACHMENTS)
        self.pods.add_handler(On(self._pod, lambda old, new: self._pod(new), self._pod))
        self.attachments.add_handler(On(self._attachment, lambda old, new: None, self._attachment))

    def _pod(self, pod: Obj) -> None:
        node = get_path(pod, "spec", "nodeName")
        if node and claim_names(pod):
            self.queue.add(str(node))

    def _attachment(self, each: Obj) -> None:
        self.queue.add(str(each["spec"]["nodeName"]))

    async def sync(self, key: str) -> None:
        present = [each for each in self.attachments.list() if each["spec"]["nodeName"] == key]
        changes = plan(key, self._wanted(key), present)
        if changes:
            report = await self.perform(key, [AllAtOnce(tuple(changes))])
            if not isinstance(report.error, AlreadyExists):
                report.raise_error()

    def _wanted(self, node: str) -> list[Obj]:
        """Volumes that attach, of the node's pods that still run or may."""
        found: dict[str, Obj] = {}
        for pod in self.pods.by_index(NODE, node):
            if is_terminal(pod):
                continue
            for name in claim_names(pod):
                claim = self.claims.get(make_key(namespace_of(pod), name))
                if claim is None or not is_fully_bound(claim):
                    continue
                volume = self.volumes.get(str(claim["spec"]["volumeName"]))
                if volume is not None and self._attaches(volume):
                    found[name_of(volume)] = volume
        return list(found.values())

    def _attaches(self, volume: Obj) -> bool:
        source = volume["spec"].get("csi")
        if source is None:
            return False
        driver = self.drivers.get(str(source["driver"]))
        return driver is None or driver["spec"].get("attachRequired") is not False
