"""NamespaceLifecycle: nothing is created in a namespace that does not exist or ends; three namespaces stay."""

from __future__ import annotations

from kube_actors.api import errors
from kube_actors.api.errors import Cause
from kube_actors.api.resources import NAMESPACES, Resource
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation, Plugin, find

IMMORTAL = frozenset(("default", "kube-system", "kube-public"))


class NamespaceLifecycle(Plugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        if operation is Operation.DELETE:
            return resource is NAMESPACES
        if operation is not Operation.CREATE or not resource.namespaced or subresource:
            return False
        return resource.plural != "localsubjectaccessreviews"

    async def admit(self, attributes: Attributes) -> None:
        if attributes.operation is Operation.DELETE:
            if attributes.target.name in IMMORTAL:
                raise attributes.forbidden("this namespace may not be deleted")
            return
        name = attributes.target.namespace
        namespace = await find(self._lookup, NAMESPACES, name)
        if namespace is None:
            raise errors.not_found("namespaces", "", name)
        if namespace["metadata"].get("deletionTimestamp"):
            raise _terminating(attributes, name)


def _terminating(attributes: Attributes, namespace: str) -> errors.Forbidden:
    refusal = attributes.forbidden(
        f"unable to create new content in namespace {namespace} because it is being terminated"
    )
    refusal.causes = (
        Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace"),
    )
    return refusal
