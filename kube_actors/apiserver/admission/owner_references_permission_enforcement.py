"""OwnerReferencesPermissionEnforcement, off by default: owners are set by those who may delete the object.

An owner whose deletion the object blocks has to be one whose finalizers the user may change.
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.resources import Registry, Resource
from kube_actors.apiserver.admission.chain import Attributes, Operation, Plugin
from kube_actors.apiserver.authz import Authorizer
from kube_actors.apiserver.request import Target

NO_DELETE = "cannot set an ownerRef on a resource you can't delete: , <nil>"
NO_FINALIZERS = (
    "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>"
)


class OwnerReferencesPermissionEnforcement(Plugin):
    def __init__(self, authorizer: Authorizer, resources: Registry) -> None:
        self._authorizer = authorizer
        self._resources = resources

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        """A pod's status cannot change its owners, and is written often."""
        written = operation in (Operation.CREATE, Operation.UPDATE)
        return written and (resource.plural, subresource) != ("pods", "status")

    async def validate(self, attributes: Attributes) -> None:
        new, old = owners(attributes.obj), owners(attributes.old)
        if new == old:
            return
        target = attributes.target
        own = Target(target.resource, target.namespace, attributes.name, target.subresource)
        if not self._authorizer.decide(attributes.user, "delete", own).allowed:
            raise attributes.forbidden(NO_DELETE)
        blocked = {one["uid"] for one in old if one.get("blockOwnerDeletion")}
        for owner in new:
            if owner.get("blockOwnerDeletion") and owner["uid"] not in blocked:
                self._check_owner(attributes, owner)

    def _check_owner(self, attributes: Attributes, owner: Obj) -> None:
        resource = self._resources.of_kind(owner.get("apiVersion", ""), owner.get("kind", ""))
        if resource is None:
            version, kind = owner.get("apiVersion", ""), owner.get("kind", "")
            raise attributes.forbidden(
                "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for "
                f'APIVersion {version} Kind {kind}: no matches for kind "{kind}" in version "{version}"'
            )
        namespace = attributes.target.namespace if resource.namespaced else ""
        finalizers = Target(resource, namespace, owner["name"], "finalizers")
        if not self._authorizer.decide(attributes.user, "update", finalizers).allowed:
            raise attributes.forbidden(NO_FINALIZERS)


def owners(obj: Obj | None) -> list[Obj]:
    metadata = (obj or {}).get("metadata") or {}
    return list(metadata.get("ownerReferences") or ())
