"""Taking a finalizer away."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.resources import Resource
from kube_actors.controllers.actions import UpdateObject


def holds_deletion(obj: Obj, finalizer: str) -> bool:
    """Whether the object is being deleted and this finalizer keeps it."""
    metadata = obj["metadata"]
    return bool(metadata.get("deletionTimestamp")) and finalizer in (metadata.get("finalizers") or ())


def without_finalizer(resource: Resource, obj: Obj, finalizer: str) -> UpdateObject:
    """Fails where the object has changed since."""
    kept = [one for one in obj["metadata"]["finalizers"] if one != finalizer]
    return UpdateObject(resource, obj | {"metadata": obj["metadata"] | {"finalizers": kept}})
