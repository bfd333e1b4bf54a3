"""DefaultStorageClass: a claim that names no class gets the default one."""

from __future__ import annotations

from kube_actors.api.default_class import default_class
from kube_actors.api.resources import Resource
from kube_actors.api.volumes import CLAIMS, DEFAULT_MARKS, STORAGE_CLASSES, names_a_class
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation, Plugin


class DefaultStorageClass(Plugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return operation is Operation.CREATE and resource is CLAIMS and not subresource

    async def admit(self, attributes: Attributes) -> None:
        claim = attributes.obj
        assert claim is not None
        spec = claim.setdefault("spec", {})
        if names_a_class(claim):
            return
        if name := default_class(self._lookup.all(STORAGE_CLASSES), *DEFAULT_MARKS):
            spec["storageClassName"] = name
