"""CustomResourceDefinitions: a deletion marks them first, so that their instances can go before them.

Kubernetes: k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition.
"""

from __future__ import annotations

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj
from kube_actors.api.crd import naming
from kube_actors.apiserver.strategies.base import Strategy

_MARKED = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"


class CrdStrategy(Strategy):
    def begins_deletion_by_itself(self, obj: Obj) -> bool:
        return not obj["metadata"].get("deletionTimestamp")

    def mark_deleted(self, obj: Obj) -> None:
        metadata = obj["metadata"]
        finalizers = metadata.get("finalizers") or []
        if naming.FINALIZER not in finalizers:
            metadata["finalizers"] = [*finalizers, naming.FINALIZER]
        now = parse_rfc3339(metadata["deletionTimestamp"])
        obj["status"] = naming.with_condition(obj, naming.TERMINATING, "True", "InstanceDeletionPending", _MARKED, now)[
            "status"
        ]
