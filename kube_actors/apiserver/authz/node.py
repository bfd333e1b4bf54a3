"""What a node may do: its own Node and lease, its pods, and what its pods refer to.

Kubernetes: plugin/pkg/auth/authorizer/node/node_authorizer.go, with AuthorizeNodeWithSelectors. What depends on the
content of a write is left to the admission plugin NodeRestriction.
"""

from __future__ import annotations

from kube_actors.api.resources import Resource, builtin
from kube_actors.api.selectors import FieldSelector
from kube_actors.apiserver.authz import ALLOWED, NO_OPINION, UserRules, Verdict
from kube_actors.apiserver.authz.graph import NodeGraph
from kube_actors.apiserver.authz.policy.nodes import NODE_RULES
from kube_actors.apiserver.request import Target, User

NODES_GROUP = "system:nodes"
PREFIX = "system:node:"
LEASE_NAMESPACE = "kube-node-lease"
UNKNOWN = UserRules(incomplete=True, error="node authorizer does not support user rule resolution")
READ = ("get", "list", "watch")
OWN = ("get", "create", "update", "patch", "delete")

LEASES = builtin("coordination.k8s.io/v1", "leases")
CSI_NODES = builtin("storage.k8s.io/v1", "csinodes")


def node_of(user: User) -> str | None:
    """The name of the node that the user is; None for a user who is none."""
    if not user.name.startswith(PREFIX) or NODES_GROUP not in user.groups:
        return None
    return user.name.removeprefix(PREFIX)


class NodeAuthorizer:
    """`graph` knows which pods run where."""

    def __init__(self, graph: NodeGraph) -> None:
        self._graph = graph

    def decide(self, user: User, verb: str, target: Target, fields: str = "") -> Verdict:
        node = node_of(user)
        if not node:
            return NO_OPINION if node is None else Verdict(False, f'unknown node for user "{user.name}"')
        resource = target.resource
        if not resource.group and resource.plural in _CORE:
            return _CORE[resource.plural](self, node, verb, target, fields)
        if _is(resource, LEASES):
            return self._lease(node, verb, target)
        if _is(resource, CSI_NODES):
            return self._csi_node(node, verb, target)
        if resource.group == "resource.k8s.io" and resource.plural == "resourceslices":
            return self._slice(node, verb, target, fields)
        if resource.group == "resource.k8s.io" and resource.plural == "resourceclaims":
            return self._get(node, verb, target, fields)
        if resource.group == "storage.k8s.io" and resource.plural == "volumeattachments":
            return self._get(node, verb, target, fields)
        return self._static(verb, target)

    def decide_path(self, user: User, verb: str, path: str) -> Verdict:
        return NO_OPINION

    def rules_for(self, user: User, namespace: str) -> UserRules:
        return UserRules() if node_of(user) is None else UNKNOWN

    def _static(self, verb: str, target: Target) -> Verdict:
        resource = target.resource
        asked = (verb, resource.group, resource.plural, target.subresource)
        return ALLOWED if any(rule.allows(*asked) for rule in NODE_RULES) else NO_OPINION

    def _get(self, node: str, verb: str, target: Target, fields: str) -> Verdict:
        if verb != "get":
            return Verdict(False, "can only get individual resources of this type")
        if target.subresource:
            return Verdict(False, "cannot get subresource")
        return self._related(node, target)

    def _read(self, node: str, verb: str, target: Target, fields: str) -> Verdict:
        if verb not in READ:
            return Verdict(False, "can only read resources of this type")
        if target.subresource:
            return Verdict(False, "cannot read subresource")
        if not target.namespace:
            return Verdict(False, "can only read namespaced object of this type")
        return self._related(node, target)

    def _claim(self, node: str, verb: str, target: Target, fields: str) -> Verdict:
        if target.subresource != "status":
            return self._get(node, verb, target, fields)
        if verb not in ("update", "patch"):
            return Verdict(False, "can only get/update/patch this type")
        return self._related(node, target)

    def _service_account(self, node: str, verb: str, target: Target, fields: str) -> Verdict:
        if verb == "get" and not target.subresource:
            return self._related(node, target)
        if verb != "create" or not target.name:
            return Verdict(False, "can only create tokens for individual service accounts")
        if target.subresource != "token":
            return Verdict(False, "can only create token subresource of serviceaccount")
        return self._related(node, target)

    def _node(self, node: str, verb: str, target: Target, fields: str) -> Verdict:
        if target.subresource == "status":
            return ALLOWED if verb in ("update", "patch") else NO_OPINION
        if target.subresource:
            return NO_OPINION
        if verb in ("create", "update", "patch"):
            return ALLOWED
        if verb not in READ:
            return NO_OPINION
        if target.name == node:
            return ALLOWED
        return Verdict(False, f"node '{node}' cannot read '{target.name}', only its own Node object")

    def _pod(self, node: str, verb: str, target: Target, fields: str) -> Verdict:
        if target.subresource:
            writes = {"status": ("update", "patch"), "eviction": ("create",)}.get(target.subresource, ())
            return ALLOWED if verb in writes else NO_OPINION
        if verb in ("create", "delete"):
            return ALLOWED
        if verb == "get":
            return self._related(node, target)
        if verb not in READ:
            return NO_OPINION
        if _selected(fields, "spec.nodeName") == node:
            return ALLOWED
        if target.name:
            return self._related(node, target)
        return Verdict(False, "can only list/watch pods with spec.nodeName field selector")

    def _lease(self, node: str, verb: str, target: Target) -> Verdict:
        if verb not in OWN:
            return Verdict(False, "can only get, create, update, patch, or delete a node lease")
        if target.namespace != LEASE_NAMESPACE:
            return Verdict(False, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
        if verb != "create" and target.name != node:
            return Verdict(False, "can only access node lease with the same name as the requesting node")
        return ALLOWED

    def _csi_node(self, node: str, verb: str, target: Target) -> Verdict:
        if verb not in OWN:
            return Verdict(False, "can only get, create, update, patch, or delete a CSINode")
        if target.subresource:
            return Verdict(False, "cannot authorize CSINode subresources")
        if verb != "create" and target.name != node:
            return Verdict(False, "can only access CSINode with the same name as the requesting node")
        return ALLOWED

    def _slice(self, node: str, verb: str, target: Target, fields: str) -> Verdict:
        if target.subresource:
            return Verdict(False, "cannot authorize ResourceSlice subresources")
        if verb == "create":
            return ALLOWED
        if verb in ("get", "update", "patch", "delete"):
            return self._related(node, target)
        if _selected(fields, "spec.nodeName") == node:
            return ALLOWED
        return Verdict(False, "can only list/watch/deletecollection resourceslices with nodeName field selector")

    def _related(self, node: str, target: Target) -> Verdict:
        if not target.name:
            return Verdict(False, "No Object name found")
        if self._graph.related(node, target.resource, target.namespace, target.name):
            return ALLOWED
        return Verdict(False, f"no relationship found between node '{node}' and this object")


_CORE = {
    "secrets": NodeAuthorizer._read,
    "configmaps": NodeAuthorizer._read,
    "persistentvolumeclaims": NodeAuthorizer._claim,
    "persistentvolumes": NodeAuthorizer._get,
    "serviceaccounts": NodeAuthorizer._service_account,
    "nodes": NodeAuthorizer._node,
    "pods": NodeAuthorizer._pod,
}


def _is(resource: Resource, other: Resource) -> bool:
    return resource.plural == other.plural and resource.group == other.group


def _selected(fields: str, field: str) -> str | None:
    """The one value of a field that a selector asks for."""
    try:
        return FieldSelector.parse(fields).exact(field) if fields else None
    except ValueError:
        return None
