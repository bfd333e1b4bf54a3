"""What Kubernetes fills in where a client said nothing.

`apply_defaults(resource, obj)` works in place and twice is as once. A kind's defaults are in its file in `kinds`; what
several kinds share is here: pods, which most workloads hold a template of, and claims. Defaults that depend on other
objects or on the cluster (cluster IPs, service accounts, priorities) are admission's, not these.
"""

from __future__ import annotations

from kube_actors.api import Obj, kinds
from kube_actors.api.crd.defaulting import apply_defaults as apply_schema_defaults
from kube_actors.api.resources import Resource


def apply_defaults(resource: Resource, obj: Obj) -> None:
    """Fill in Kubernetes' defaults, or those of a custom resource's schema, in place."""
    if resource.definition is not None:
        apply_schema_defaults(resource.definition.schema, obj, root=True)
        return
    defaults = kinds.of(resource).defaults
    if defaults is not None:
        defaults(obj)
