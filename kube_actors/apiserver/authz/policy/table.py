"""The notation of the default roles.

    system:example [label]            a role; `label` marks it for aggregation
      get list | apps | deployments deployments/scale
      get,update | core | configmaps : its-name     limited to names
      get | url | /healthz /metrics/*
      @example                        all that the label `example` marks is added by aggregation

`core` stands for the core group; `read`, `write` and `all` for their verbs. Values are sorted as Kubernetes' own are.
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.apiserver.authz.rules import Rule

GROUP = "rbac.authorization.k8s.io"
AGGREGATE = f"{GROUP}/aggregate-to-"
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
EVENTS = "create patch update | core events.k8s.io | events"

_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_VERBS = {"read": _READ, "write": _WRITE, "all": _READ + _WRITE}


def cluster_roles(table: str) -> list[Obj]:
    """The ClusterRoles of a table."""
    roles: list[Obj] = []
    for line in table.strip().splitlines():
        if not line.startswith(" "):
            roles.append(_role(*line.split()))
        elif line.strip().startswith("@"):
            label = {AGGREGATE + line.strip().removeprefix("@"): "true"}
            roles[-1]["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": label}]}
            roles[-1]["rules"] = None
        else:
            roles[-1]["rules"].append(parse_rule(line).as_json())
    return roles


def rules(table: str) -> tuple[Rule, ...]:
    """Rules without a role."""
    return tuple(parse_rule(line) for line in table.strip().splitlines())


def parse_rule(line: str) -> Rule:
    """One line of rules."""
    line = EVENTS if line.strip() == "events" else line
    verbs, groups, rest = (part.split() for part in line.split("|"))
    spread = sorted({verb for word in verbs for verb in _VERBS.get(word, (word,))})
    if groups == ["url"]:
        return Rule(tuple(spread), urls=tuple(sorted(rest)))
    resources, names = (rest[: rest.index(":")], rest[rest.index(":") + 1 :]) if ":" in rest else (rest, [])
    plain = sorted("" if group == "core" else group for group in groups)
    return Rule(tuple(spread), tuple(plain), tuple(sorted(resources)), tuple(sorted(names)))


def metadata(name: str, namespace: str = "", **labels: str) -> Obj:
    """The metadata of a default role or binding."""
    where = {"namespace": namespace} if namespace else {}
    return {"name": name, **where, "labels": LABELS | labels, "annotations": {AUTOUPDATE: "true"}}


def _role(name: str, mark: str = "") -> Obj:
    marks = {AGGREGATE + mark: "true"} if mark else {}
    return {"metadata": metadata(name, **marks), "rules": []}
