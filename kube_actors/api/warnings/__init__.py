"""What Kubernetes accepts and warns of: deprecated fields and annotations, and what is surely not meant. Pure.

`of(resource, obj)` gives the texts of the Warning headers of a write, `of_resource(resource)` that of any request for
it. Contract: the WarningsOnCreate of the registries of k8s.io/kubernetes, k8s.io/kubernetes/pkg/api/pod/warnings.go.
"""

from __future__ import annotations

from collections.abc import Callable

from kube_actors.api import Obj
from kube_actors.api.pod_templates import TEMPLATES
from kube_actors.api.resources import COMPONENT_STATUSES, ENDPOINTS, Resource
from kube_actors.api.warnings import others, pods

_DEPRECATED = {
    COMPONENT_STATUSES: "v1 ComponentStatus is deprecated in v1.19+",
    ENDPOINTS: "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
}


def of_resource(resource: Resource) -> str:
    """The warning that any request for the resource gets; empty for most."""
    return _DEPRECATED.get(resource, "")


def concerns(resource: Resource) -> bool:
    """Whether there is anything to warn of in objects of the resource."""
    return resource.qualified in TEMPLATES or resource.qualified in _OTHERS or resource.qualified == "pods"


def of(resource: Resource, obj: Obj) -> list[str]:
    """The warnings that a write of `obj` gets."""
    name = resource.qualified
    found = _OTHERS[name](obj) if name in _OTHERS else []
    if name == "pods":
        found += pods.warnings(obj, "")
    elif name in TEMPLATES:
        path = TEMPLATES[name]
        template = obj
        for field in path:
            template = template.get(field) or {}
        if template:
            found += pods.warnings(template, f"{'.'.join(path)}.")
    return found


_OTHERS: dict[str, Callable[[Obj], list[str]]] = {
    "services": others.service,
    "ingresses.networking.k8s.io": others.ingress,
    "networkpolicies.networking.k8s.io": others.network_policy,
    "runtimeclasses.node.k8s.io": others.runtime_class,
    "storageclasses.storage.k8s.io": others.storage_class,
    "persistentvolumeclaims": others.claim,
    "persistentvolumes": others.volume,
    "nodes": others.node,
    "jobs.batch": others.named_pods,
    "cronjobs.batch": others.named_pods,
}
