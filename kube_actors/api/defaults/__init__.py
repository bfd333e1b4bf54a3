"""What Kubernetes fills in where a client said nothing.

`apply_defaults(resource, obj)` works in place and twice is as once. One file a group of kinds; each holds a
table `DEFAULTS` from kind to function, and is imported when its first kind arrives. Defaults that depend on
other objects or on the cluster (cluster IPs, service accounts, priorities) are admission's, not these.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache

from kube_actors.api import Obj
from kube_actors.api.resources import Resource

Defaulter = Callable[[Obj], None]

# group -> the module with its kinds' defaults
_MODULES = {
    "": "core",
    "admissionregistration.k8s.io": "admission",
    "apps": "apps",
    "autoscaling": "policy",
    "batch": "batch",
    "discovery.k8s.io": "networking",
    "flowcontrol.apiserver.k8s.io": "policy",
    "networking.k8s.io": "networking",
    "rbac.authorization.k8s.io": "policy",
    "resource.k8s.io": "policy",
    "scheduling.k8s.io": "policy",
    "storage.k8s.io": "policy",
}


@cache
def _defaulter(group: str, version: str, kind: str) -> Defaulter | None:
    name = _MODULES.get(group)
    if name is None:
        return None
    module = importlib.import_module(f"{__name__}.{name}")
    table: dict[str, Defaulter] = module.DEFAULTS
    return table.get(f"{version}.{kind}") or table.get(kind)


def apply_defaults(resource: Resource, obj: Obj) -> None:
    """Fill in Kubernetes' defaults for an object of a built-in kind, in place."""
    defaulter = _defaulter(resource.group, resource.version, resource.kind)
    if defaulter is not None:
        defaulter(obj)
