"""A VolumeAttributesClass that is being deleted goes when no volume and no claim names it.

Kubernetes: pkg/controller/volume/vacprotection.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, is_deleting, name_of
from kube_actors.api.resources import builtin
from kube_actors.api.volumes import CLAIMS, VOLUMES
from kube_actors.controllers.actions import UpdateObject
from kube_actors.controllers.base import Context, Controller, On
from kube_actors.controllers.persistentvolume import protection

CLASSES = builtin("storage.k8s.io/v1", "volumeattributesclasses")
FINALIZER = "kubernetes.io/vac-protection"
# Where volumes and claims name a class.
FIELDS = (
    ("spec", "volumeAttributesClassName"),
    ("status", "currentVolumeAttributesClassName"),
    ("status", "modifyVolumeStatus", "targetVolumeAttributesClassName"),
)


def classes_of(obj: Obj) -> set[str]:
    """The classes that a volume or a claim names."""
    return {name for path in FIELDS if (name := get_path(obj, *path))}


def plan(found: Obj, users: Iterable[Obj]) -> list[UpdateObject]:
    """Take the finalizer away where none of `users`, volumes and claims, names the class."""
    in_use = any(name_of(found) in classes_of(one) for one in users)
    return protection.plan(CLASSES, found, FINALIZER, in_use=in_use)


class VolumeAttributesClassProtectionController(Controller):
    """Keys are classes."""

    name = "volumeattributesclass-protection"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.classes = self.informer(CLASSES)
        self.users = (self.informer(VOLUMES), self.informer(CLAIMS))
        self.enqueue_from(self.classes)
        for informer in self.users:
            informer.add_handler(On(lambda obj: None, lambda old, new: self._changed(old), self._changed))

    def _changed(self, obj: Obj) -> None:
        for name in classes_of(obj):
            self.queue.add(name)

    async def sync(self, key: str) -> None:
        found = self.classes.get(key)
        if found is not None and is_deleting(found):
            users = [one for informer in self.users for one in informer.list()]
            (await self.perform(key, plan(found, users))).raise_error()
