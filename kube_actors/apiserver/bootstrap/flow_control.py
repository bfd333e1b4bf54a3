"""Priority levels and flow schemas that every cluster has: two of each must be so, the others are suggestions.

Kubernetes: k8s.io/apiserver's apis/flowcontrol/bootstrap.
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds import flow_schema, priority_level_configuration
from kube_actors.api.resources import builtin
from kube_actors.apiserver.bootstrap.writing import AUTO_UPDATE, Existing, First

_GROUP = "flowcontrol.apiserver.k8s.io/v1"
_LEVELS = builtin(_GROUP, "prioritylevelconfigurations")
_SCHEMAS = builtin(_GROUP, "flowschemas")
_EVERYTHING: Obj = {
    "resourceRules": [
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    ],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}
_ELECTION_VERBS = ["get", "create", "update"]
# name: shares, percentage that may be lent, queues, how many of them a flow may fill
_SUGGESTED_LEVELS = {
    "system": (30, 33, 64, 6),
    "node-high": (40, 25, 64, 6),
    "leader-election": (10, 0, 16, 4),
    "workload-high": (40, 50, 128, 6),
    "workload-low": (100, 90, 128, 6),
    "global-default": (20, 50, 128, 6),
}
_QUEUE_LENGTH = 50


def _groups(*names: str) -> list[Obj]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _users(*names: str) -> list[Obj]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _system_accounts(*names: str) -> list[Obj]:
    return [{"kind": "ServiceAccount", "serviceAccount": {"name": name, "namespace": "kube-system"}} for name in names]


def _rule(subjects: list[Obj], *resources: Obj) -> Obj:
    return {"subjects": subjects, "resourceRules": list(resources)}


def _resources(verbs: list[str], group: str, *resources: str, cluster: bool = False) -> Obj:
    rule: Obj = {"verbs": verbs, "apiGroups": [group], "resources": list(resources), "namespaces": ["*"]}
    return rule | {"clusterScope": True} if cluster else rule


def _all(*subjects: Obj) -> Obj:
    return {"subjects": list(subjects), **_EVERYTHING}


_ANYBODY = _groups("system:unauthenticated", "system:authenticated")
_MANAGER, _SCHEDULER = "system:kube-controller-manager", "system:kube-scheduler"
_LEASES = _resources(_ELECTION_VERBS, "coordination.k8s.io", "leases")
_ENDPOINT_WRITERS = ("endpoint-controller", "endpointslice-controller", "endpointslicemirroring-controller")
# name, level, precedence, by what flows differ, rule
_SchemaRow = tuple[str, str, int, str, Obj]
_SUGGESTED_SCHEMAS: tuple[_SchemaRow, ...] = (
    (
        "probes",
        "exempt",
        2,
        "",
        {
            "subjects": _ANYBODY,
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}],
        },
    ),
    (
        "system-leader-election",
        "leader-election",
        100,
        "ByUser",
        _rule([*_users(_MANAGER, _SCHEDULER), *_system_accounts("*")], _LEASES),
    ),
    (
        "endpoint-controller",
        "workload-high",
        150,
        "ByUser",
        _rule(
            [*_users(_MANAGER), *_system_accounts(*_ENDPOINT_WRITERS)],
            _resources(_ELECTION_VERBS, "", "endpoints"),
            _resources(_ELECTION_VERBS, "discovery.k8s.io", "endpointslices"),
        ),
    ),
    (
        "workload-leader-election",
        "leader-election",
        200,
        "ByUser",
        _rule(_system_accounts("*"), _resources(_ELECTION_VERBS, "", "endpoints", "configmaps"), _LEASES),
    ),
    (
        "system-node-high",
        "node-high",
        400,
        "ByUser",
        _rule(
            _groups("system:nodes"),
            _resources(["*"], "", "nodes", "nodes/status", cluster=True),
            _resources(["*"], "coordination.k8s.io", "leases"),
        ),
    ),
    ("system-nodes", "system", 500, "ByUser", _all(*_groups("system:nodes"))),
    ("kube-controller-manager", "workload-high", 800, "ByNamespace", _all(*_users(_MANAGER))),
    ("kube-scheduler", "workload-high", 800, "ByNamespace", _all(*_users(_SCHEDULER))),
    ("kube-system-service-accounts", "workload-high", 900, "ByNamespace", _all(*_system_accounts("*"))),
    ("service-accounts", "workload-low", 9000, "ByUser", _all(*_groups("system:serviceaccounts"))),
    ("global-default", "global-default", 9900, "ByUser", _all(*_ANYBODY)),
)


def objects() -> list[First]:
    levels = {**priority_level_configuration.MANDATORY, **{name: _level(name) for name in _SUGGESTED_LEVELS}}
    schemas = {**flow_schema.MANDATORY, **{row[0]: _schema(row) for row in _SUGGESTED_SCHEMAS}}
    return [
        First(resource, {"metadata": _metadata(name), "spec": spec}, Existing.UPDATE_SPEC)
        for resource, specs in ((_LEVELS, levels), (_SCHEMAS, schemas))
        for name, spec in specs.items()
    ]


def _metadata(name: str) -> Obj:
    return {"name": name, "annotations": {AUTO_UPDATE: "true"}}


def _level(name: str) -> Obj:
    shares, lendable, queues, hand = _SUGGESTED_LEVELS[name]
    queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": _QUEUE_LENGTH}
    limited = {
        "nominalConcurrencyShares": shares,
        "lendablePercent": lendable,
        "limitResponse": {"type": "Queue", "queuing": queuing},
    }
    return {"type": "Limited", "limited": limited}


def _schema(row: _SchemaRow) -> Obj:
    _, level, precedence, method, rule = row
    spec: Obj = {
        "priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence,
        "rules": [rule],
    }
    return {**spec, "distinguisherMethod": {"type": method}} if method else spec
