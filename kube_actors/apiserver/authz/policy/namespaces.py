"""Roles and bindings in kube-system and kube-public."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.apiserver.authz.policy.bindings import subject
from kube_actors.apiserver.authz.policy.table import GROUP, metadata, parse_rule

SYSTEM, PUBLIC = "kube-system", "kube-public"
_LEADER = "system::leader-locking-"
_CONTROLLER = "system:controller:"

_ROLES = {
    (SYSTEM, "extension-apiserver-authentication-reader"): (
        "read | core | configmaps : extension-apiserver-authentication",
    ),
    (SYSTEM, f"{_CONTROLLER}bootstrap-signer"): ("read | core | secrets",),
    (SYSTEM, f"{_CONTROLLER}cloud-provider"): ("create read | core | configmaps",),
    (SYSTEM, f"{_CONTROLLER}token-cleaner"): ("read delete | core | secrets", "events"),
    (SYSTEM, f"{_LEADER}kube-controller-manager"): (
        "watch | core | configmaps",
        "get update | core | configmaps : kube-controller-manager",
        "read create update | coordination.k8s.io | leases",
    ),
    (SYSTEM, f"{_LEADER}kube-scheduler"): (
        "watch | core | configmaps",
        "get update | core | configmaps : kube-scheduler",
    ),
    # Ours: who joins by a token reads here who the cluster is. Kubernetes' installer lets everybody.
    (PUBLIC, "kube-actors:cluster-info"): ("get | core | configmaps : cluster-info",),
    (PUBLIC, f"{_CONTROLLER}bootstrap-signer"): (
        "read | core | configmaps",
        "update | core | configmaps : cluster-info",
        "events",
    ),
}
_MANAGER, _SCHEDULER = "User/system:kube-controller-manager", "User/system:kube-scheduler"
# (namespace, binding): role, subjects. The manager stands beside the accounts of controllers that it runs itself.
_BINDINGS = {
    (SYSTEM, "system::extension-apiserver-authentication-reader"): (
        "extension-apiserver-authentication-reader",
        (_MANAGER, _SCHEDULER),
    ),
    (SYSTEM, f"{_LEADER}kube-controller-manager"): (
        f"{_LEADER}kube-controller-manager",
        (_MANAGER, "ServiceAccount/kube-controller-manager", "ServiceAccount/leader-election-controller"),
    ),
    (SYSTEM, f"{_LEADER}kube-scheduler"): (
        f"{_LEADER}kube-scheduler",
        (_SCHEDULER, "ServiceAccount/kube-scheduler"),
    ),
    (SYSTEM, f"{_CONTROLLER}bootstrap-signer"): (
        f"{_CONTROLLER}bootstrap-signer",
        ("ServiceAccount/bootstrap-signer", _MANAGER),
    ),
    (SYSTEM, f"{_CONTROLLER}cloud-provider"): (f"{_CONTROLLER}cloud-provider", ("ServiceAccount/cloud-provider",)),
    (SYSTEM, f"{_CONTROLLER}token-cleaner"): (
        f"{_CONTROLLER}token-cleaner",
        ("ServiceAccount/token-cleaner", _MANAGER),
    ),
    (PUBLIC, "kube-actors:cluster-info"): ("kube-actors:cluster-info", ("Group/system:bootstrappers",)),
    (PUBLIC, f"{_CONTROLLER}bootstrap-signer"): (
        f"{_CONTROLLER}bootstrap-signer",
        ("ServiceAccount/bootstrap-signer", _MANAGER),
    ),
}

ROLES: list[Obj] = [
    {"metadata": metadata(name, namespace), "rules": [parse_rule(line).as_json() for line in lines]}
    for (namespace, name), lines in _ROLES.items()
]
BINDINGS: list[Obj] = [
    {
        "metadata": metadata(name, namespace),
        "subjects": [subject(one) for one in subjects],
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": role},
    }
    for (namespace, name), (role, subjects) in _BINDINGS.items()
]
