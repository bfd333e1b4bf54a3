"""DefaultStorageClass: a claim that names no class gets the default one."""

from __future__ import annotations

from kube_actors.api.meta import annotations_of
from kube_actors.api.resources import Resource, builtin
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation, Plugin
from kube_actors.apiserver.admission.default_class import default_class

CLAIMS = builtin("v1", "persistentvolumeclaims")
STORAGE_CLASSES = builtin("storage.k8s.io/v1", "storageclasses")
MARKS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


class DefaultStorageClass(Plugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return operation is Operation.CREATE and resource is CLAIMS and not subresource

    async def admit(self, attributes: Attributes) -> None:
        claim = attributes.obj
        assert claim is not None
        spec = claim.setdefault("spec", {})
        if spec.get("storageClassName") is not None or CLASS_ANNOTATION in annotations_of(claim):
            return
        if name := default_class(self._lookup.all(STORAGE_CLASSES), *MARKS):
            spec["storageClassName"] = name
