"""StorageObjectInUseProtection: volumes, claims and volume classes go only when nothing uses them any more.

The finalizers set here are taken away by the protection controllers.
"""

from __future__ import annotations

from kube_actors.api.resources import Resource, builtin
from kube_actors.apiserver.admission.chain import Attributes, Operation, Plugin

FINALIZERS = {
    builtin("v1", "persistentvolumeclaims"): "kubernetes.io/pvc-protection",
    builtin("v1", "persistentvolumes"): "kubernetes.io/pv-protection",
    builtin("storage.k8s.io/v1", "volumeattributesclasses"): "kubernetes.io/vac-protection",
}


class StorageObjectInUseProtection(Plugin):
    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return operation is Operation.CREATE and resource in FINALIZERS and not subresource

    async def admit(self, attributes: Attributes) -> None:
        assert attributes.obj is not None
        metadata = attributes.obj["metadata"]
        finalizers = metadata.get("finalizers") or []
        wanted = FINALIZERS[attributes.resource]
        if wanted not in finalizers:
            metadata["finalizers"] = [*finalizers, wanted]
