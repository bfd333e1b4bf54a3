"""What a kind decides about writes that needs the server: what lies in the store beside the object, and how it ends.

What the objects themselves have to become (status, generation, stringData) are the pure rules of
`kube_actors.api.kinds`. `of(resource)` gives the strategy; few kinds need one of their own, which is one file with a
`Strategy` and one line here.
"""

from __future__ import annotations

from functools import lru_cache

from kube_actors.api import kinds
from kube_actors.api.resources import Resource
from kube_actors.apiserver.strategies import crd, custom, event, namespace, pod, service
from kube_actors.apiserver.strategies.base import Strategy

_STRATEGIES: dict[tuple[str, str], type[Strategy]] = {
    ("", "Pod"): pod.PodStrategy,
    ("", "Service"): service.ServiceStrategy,
    ("", "Namespace"): namespace.NamespaceStrategy,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): crd.CrdStrategy,
    ("", "Event"): event.EventStrategy,
    ("events.k8s.io", "Event"): event.EventStrategy,
}


# Custom resources come and go, with a new Resource for every change of their definition.
@lru_cache(maxsize=1024)
def of(resource: Resource) -> Strategy:
    """The rules of a resource's kind."""
    if resource.custom:
        return custom.CustomStrategy(resource, custom.RULES)
    make = _STRATEGIES.get((resource.group, resource.kind), Strategy)
    return make(resource, kinds.of(resource).rest)
