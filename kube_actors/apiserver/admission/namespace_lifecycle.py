"""NamespaceLifecycle: nothing is created in a namespace that does not exist or ends; three namespaces stay."""

from __future__ import annotations

from kube_actors.api import errors
from kube_actors.api.errors import Cause
from kube_actors.api.resources import NAMESPACES
from kube_actors.apiserver.admission.chain import Attributes, Lookup, Operation

IMMORTAL = frozenset(("default", "kube-system", "kube-public"))


class NamespaceLifecycle:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def admit(self, attributes: Attributes) -> None:
        target = attributes.target
        if attributes.operation is Operation.DELETE:
            if target.resource is NAMESPACES and target.name in IMMORTAL:
                text = f'namespaces "{target.name}" is forbidden: this namespace may not be deleted'
                raise errors.Forbidden(text, kind="namespaces", name=target.name)
            return
        if attributes.operation is not Operation.CREATE or not target.resource.namespaced or target.subresource:
            return
        if target.resource.plural == "localsubjectaccessreviews":
            return
        namespace = self._lookup.cached(NAMESPACES, "", target.namespace)
        if namespace is None:
            namespace = await self._lookup.read(NAMESPACES, "", target.namespace)
        if namespace is None:
            raise errors.not_found("namespaces", "", target.namespace)
        if namespace["metadata"].get("deletionTimestamp"):
            raise _terminating(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """All was said in `admit`."""


def _terminating(attributes: Attributes) -> errors.Forbidden:
    resource, namespace = attributes.resource, attributes.target.namespace
    what = errors.qualified(resource.plural, resource.group)
    reason = f"unable to create new content in namespace {namespace} because it is being terminated"
    cause = Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")
    return errors.Forbidden(
        f'{what} "{attributes.name}" is forbidden: {reason}',
        group=resource.group,
        kind=resource.plural,
        name=attributes.name,
        causes=[cause],
    )
