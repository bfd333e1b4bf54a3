"""What Kubernetes fills in where a client said nothing.

`apply_defaults(resource, obj)` works in place and twice is as once. A kind's own file in `kinds` comes first; else
one file a group of kinds holds a table `DEFAULTS` from kind to function, imported when its first kind arrives.
Defaults that depend on other objects or on the cluster (cluster IPs, service accounts, priorities) are admission's,
not these.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache

from kube_actors.api import Obj, kinds
from kube_actors.api.crd.defaulting import apply_defaults as apply_schema_defaults
from kube_actors.api.resources import Resource

Defaulter = Callable[[Obj], None]

# group -> the module with its kinds' defaults
_MODULES = {
    "": "core",
    "apps": "apps",
    "batch": "batch",
}


@cache
def _defaulter(resource: Resource) -> Defaulter | None:
    kind = kinds.find(resource)
    if kind is not None:
        return kind.defaults
    name = _MODULES.get(resource.group)
    if name is None:
        return None
    module = importlib.import_module(f"{__name__}.{name}")
    table: dict[str, Defaulter] = module.DEFAULTS
    return table.get(resource.kind)


def apply_defaults(resource: Resource, obj: Obj) -> None:
    """Fill in Kubernetes' defaults, or those of a custom resource's schema, in place."""
    if resource.definition is not None:
        apply_schema_defaults(resource.definition.schema, obj, root=True)
        return
    defaulter = _defaulter(resource)
    if defaulter is not None:
        defaulter(obj)
