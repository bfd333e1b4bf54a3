"""A ClusterRole with an aggregationRule has the rules of all ClusterRoles that its selectors choose.

Kubernetes: pkg/controller/clusterroleaggregation.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.meta import labels_of, name_of
from kube_actors.api.resources import builtin
from kube_actors.api.selectors import LabelSelector
from kube_actors.controllers.actions import UpdateObject
from kube_actors.controllers.base import Context, Controller, On

CLUSTER_ROLES = builtin("rbac.authorization.k8s.io/v1", "clusterroles")


def plan(role: Obj, roles: Iterable[Obj]) -> list[UpdateObject]:
    """Give the role the rules of all others that are chosen, by selector and by name, each rule once."""
    selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
    ordered = sorted((one for one in roles if name_of(one) != name_of(role)), key=name_of)
    rules: list[Obj] = []
    for selector in map(LabelSelector.from_object, selectors):
        for other in ordered:
            if selector.matches(labels_of(other)):
                rules += [rule for rule in other.get("rules") or () if rule not in rules]
    if not selectors or rules == (role.get("rules") or []):
        return []
    return [UpdateObject(CLUSTER_ROLES, {**role, "rules": rules})]


class ClusterRoleAggregationController(Controller):
    """Keys are ClusterRoles with an aggregationRule; a change of any ClusterRole may concern all of them."""

    name = "clusterrole-aggregation-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.roles = self.informer(CLUSTER_ROLES)
        self.roles.add_handler(On(self._changed, lambda old, new: self._changed(new), self._changed))

    def _changed(self, _: Obj) -> None:
        for role in self.roles.list():
            if role.get("aggregationRule"):
                self.enqueue(role)

    async def sync(self, key: str) -> None:
        role = self.roles.get(key)
        if role is not None:
            (await self.perform(key, plan(role, self.roles.list()))).raise_error()
