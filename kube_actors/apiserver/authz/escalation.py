"""RBAC's own limit: nobody writes a role with rights that he does not have, nor binds one.

It is the last word of admission, for it has to see what mutation made of the object.
Kubernetes: pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased/storage.go.
"""

from __future__ import annotations

from collections.abc import Sequence

from kube_actors.api import Obj, errors
from kube_actors.api.resources import Resource
from kube_actors.apiserver.admission.chain import Attributes, Operation, Plugin
from kube_actors.apiserver.authz import MASTERS, Authorizer
from kube_actors.apiserver.authz.rbac import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    KINDS,
    ROLE_BINDINGS,
    ROLES,
    Rbac,
)
from kube_actors.apiserver.authz.rules import Rule, compact, described, missing, quoted
from kube_actors.apiserver.request import Target

EVERYTHING = (Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",)))


class Escalation(Plugin):
    """`authorizer` says who has the verbs `escalate` and `bind`, which free of the limit."""

    def __init__(self, rbac: Rbac, authorizer: Authorizer) -> None:
        self._rbac = rbac
        self._authorizer = authorizer

    def concerns(self, operation: Operation, resource: Resource, subresource: str) -> bool:
        return resource in KINDS and operation in (Operation.CREATE, Operation.UPDATE)

    async def admit(self, attributes: Attributes) -> None:
        if attributes.obj is None or MASTERS in attributes.user.groups or _only_for_deletion(attributes):
            return
        if attributes.resource in (ROLES, CLUSTER_ROLES):
            self._check_role(attributes, attributes.obj)
        elif attributes.resource in (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS):
            self._check_binding(attributes, attributes.obj)

    def _check_role(self, attributes: Attributes, role: Obj) -> None:
        target = Target(attributes.resource, attributes.target.namespace, attributes.target.name)
        if self._authorizer.decide(attributes.user, "escalate", target).allowed:
            return
        self._check_rules(attributes, [Rule.of(rule) for rule in role.get("rules") or ()])
        before = (attributes.old or {}).get("aggregationRule")
        if role.get("aggregationRule") and role["aggregationRule"] != before:
            # Whatever gets the label will be in it, so only who may do everything says what is added up.
            owned = self._authorizer.rules_for(attributes.user, "").rules
            if missing(owned, EVERYTHING):
                raise attributes.forbidden("must have cluster-admin privileges to use an aggregationRule")

    def _check_binding(self, attributes: Attributes, binding: Obj) -> None:
        ref = binding.get("roleRef") or {}
        kind, name = ref.get("kind", ""), ref.get("name", "")
        resource: Resource = ROLES if kind == "Role" else CLUSTER_ROLES
        namespace = attributes.target.namespace
        if self._authorizer.decide(attributes.user, "bind", Target(resource, namespace, name)).allowed:
            return
        rules = self._rbac.rules_of_role(kind, namespace, name)
        if rules is None:
            raise errors.not_found(attributes.resource.plural, attributes.resource.group, name)
        self._check_rules(attributes, rules)

    def _check_rules(self, attributes: Attributes, wanted: Sequence[Rule]) -> None:
        user = attributes.user
        owned = self._authorizer.rules_for(user, attributes.target.namespace)
        lacking = compact(missing(owned.rules, wanted))
        if lacking:
            text = f'user "{user.name}" (groups={quoted(user.groups)}) is attempting to grant RBAC permissions '
            text += "not currently held:\n" + "\n".join(sorted({described(rule) for rule in lacking}))
            text += f"; resolution errors: [{owned.error}]" if owned.error else ""
            raise attributes.forbidden(text)


def _only_for_deletion(attributes: Attributes) -> bool:
    """An update of nothing but what holds the object back from going."""
    if attributes.obj is None or attributes.old is None:
        return False

    def rest(obj: Obj) -> Obj:
        kept = ("finalizers", "ownerReferences", "managedFields", "resourceVersion")
        return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key not in kept}}

    return rest(attributes.obj) == rest(attributes.old)
