"""The storage classes that a new cluster has: local-path, the default, and shared.

Created when a manager begins to lead, if they are missing; never changed, so that whoever edits them keeps the
edit. A cluster without folders for volumes has none.
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.errors import AlreadyExists
from kube_actors.api.volumes import DEFAULT_MARKS, LOCAL_PATH, SHARED, STORAGE_CLASSES
from kube_actors.controllers.actions import CreateObject
from kube_actors.controllers.base import Context, Controller

KEY = "classes"


def storage_classes(local_root: str, shared_root: str) -> list[Obj]:
    """The classes for the folders that there are."""
    classes: list[Obj] = []
    if local_root:
        classes.append(_class("local-path", LOCAL_PATH, "WaitForFirstConsumer", default=True))
    if shared_root:
        classes.append(_class("shared", SHARED, "Immediate", default=False))
    return classes


def _class(name: str, provisioner: str, mode: str, *, default: bool) -> Obj:
    metadata: Obj = {"name": name}
    if default:
        metadata["annotations"] = {DEFAULT_MARKS[0]: "true"}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": metadata,
        "provisioner": provisioner,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": mode,
        "allowVolumeExpansion": True,
    }


class DefaultStorageClassesController(Controller):
    """One key: all of them, once."""

    name = "default-storage-classes"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.classes = self.informer(STORAGE_CLASSES)

    async def run(self) -> None:
        self.queue.add(KEY)

    async def sync(self, key: str) -> None:
        storage = self.context.config.storage
        for wanted in storage_classes(storage.local_root, storage.shared_root):
            if self.classes.get(wanted["metadata"]["name"]) is None:
                report = await self.perform(key, [CreateObject(STORAGE_CLASSES, wanted)])
                if not isinstance(report.error, AlreadyExists):
                    report.raise_error()
