"""Keeps the default roles and bindings: at every start, what is missing is made and what lacks rules gets them.

An object whose annotation rbac.authorization.kubernetes.io/autoupdate is "false" is left alone. Rules and subjects
that somebody added stay. Kubernetes: pkg/registry/rbac/reconciliation, pkg/registry/rbac/rest/storage_rbac.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from kube_actors.api import Obj, encoding, errors
from kube_actors.api.resources import Resource
from kube_actors.apiserver.authz.policy import bindings, components, controllers, namespaces, nodes, own, users
from kube_actors.apiserver.authz.policy.table import AUTOUPDATE
from kube_actors.apiserver.authz.rbac import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES
from kube_actors.apiserver.authz.rules import Rule, missing
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.request import DeleteOptions, Request, Target, User, WriteOptions

ATTEMPTS = 3
_CLUSTER_ROLES = (
    *users.ROLES,
    *components.ROLES,
    *nodes.ROLES,
    *controllers.ROLES,
    *own.ROLES,
    controllers.CONTROLLER_MANAGER,
)
DEFAULTS: Sequence[tuple[Resource, Sequence[Obj]]] = (
    (CLUSTER_ROLES, _CLUSTER_ROLES),
    (CLUSTER_ROLE_BINDINGS, bindings.BINDINGS),
    (ROLES, namespaces.ROLES),
    (ROLE_BINDINGS, namespaces.BINDINGS),
)


async def reconcile(operations: Operations, user: User) -> None:
    """Returns when all defaults are in the store. Raises ApiError."""
    for resource, objects in DEFAULTS:
        await asyncio.gather(*(_one(operations, user, resource, obj) for obj in objects))


async def _one(operations: Operations, user: User, resource: Resource, wanted: Obj) -> None:
    meta = wanted["metadata"]
    target = Target(resource, meta.get("namespace", ""), meta["name"])
    for _ in range(ATTEMPTS):
        try:
            present: Obj = encoding.loads(await operations.get(Request(user, target), "0"))
            change = merged(present, wanted)
            if change is None:
                return
            if change.get("roleRef") != present.get("roleRef"):
                # What a binding refers to cannot be changed.
                await operations.delete(Request(user, target), DeleteOptions(uid=present["metadata"]["uid"]))
                continue
            await operations.update(Request(user, target), _body(resource, change), WriteOptions())
            return
        except errors.NotFound:
            collection = Target(resource, target.namespace)
            try:
                await operations.create(Request(user, collection), _body(resource, wanted), WriteOptions())
                return
            except errors.AlreadyExists:
                continue
        except errors.Conflict:
            continue


def merged(present: Obj, wanted: Obj) -> Obj | None:
    """The present object with all that it lacks; None where it lacks nothing or shall be left alone."""
    annotations = present["metadata"].get("annotations") or {}
    if annotations.get(AUTOUPDATE) == "false":
        return None
    changed = {**present, "metadata": _merged_metadata(present["metadata"], wanted["metadata"])}
    if "roleRef" in wanted:
        if present["roleRef"] != wanted["roleRef"]:
            return {**changed, "roleRef": wanted["roleRef"]}
        subjects = present.get("subjects") or []
        added = [one for one in wanted.get("subjects") or () if one not in subjects]
        if added:
            changed["subjects"] = [*subjects, *added]
    elif "aggregationRule" in wanted:
        rule = present.get("aggregationRule") or {}
        selectors = rule.get("clusterRoleSelectors") or []
        added = [one for one in wanted["aggregationRule"]["clusterRoleSelectors"] if one not in selectors]
        if added:
            changed["aggregationRule"] = {**rule, "clusterRoleSelectors": [*selectors, *added]}
    else:
        owned = [Rule.of(rule) for rule in present.get("rules") or ()]
        added = [rule for rule in wanted["rules"] if missing(owned, [Rule.of(rule)])]
        if added:
            changed["rules"] = [*(present.get("rules") or ()), *added]
    return None if changed == present else changed


def _merged_metadata(present: Obj, wanted: Obj) -> Obj:
    both = {key: wanted[key] | (present.get(key) or {}) for key in ("labels", "annotations")}
    return {**present, **both}


def _body(resource: Resource, obj: Obj) -> bytes:
    return encoding.dumps({"kind": resource.kind, "apiVersion": resource.api_version, **obj})
