"""PersistentVolumeClaimResize: a claim grows only when it is bound and its class allows it."""

from __future__ import annotations

from kube_actors.api import Obj, quantity
from kube_actors.api.meta import annotations_of, get_path
from kube_actors.api.resources import Resource
from kube_actors.api.volumes import CLAIMS, CLASS_ANNOTATION, STORAGE_CLASSES
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation, Plugin

NOT_BOUND = "Only bound persistent volume claims can be expanded"
NOT_ALLOWED = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)


class PersistentVolumeClaimResize(Plugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return operation is Operation.UPDATE and resource is CLAIMS and not subresource

    async def validate(self, attributes: Attributes) -> None:
        new, old = attributes.obj, attributes.old
        assert new is not None
        assert old is not None
        if quantity.compare(_size(new), _size(old)) <= 0:
            return
        if get_path(old, "status", "phase") != "Bound":
            raise attributes.forbidden(NOT_BOUND)
        name = _class_of(new)
        found = self._lookup.cached(STORAGE_CLASSES, "", name) if name and name == _class_of(old) else None
        if found is None or not found.get("allowVolumeExpansion"):
            raise attributes.forbidden(NOT_ALLOWED)


def _size(claim: Obj) -> str:
    return str(get_path(claim, "spec", "resources", "requests", "storage", default="0"))


def _class_of(claim: Obj) -> str:
    return str(annotations_of(claim).get(CLASS_ANNOTATION) or claim["spec"].get("storageClassName") or "")
