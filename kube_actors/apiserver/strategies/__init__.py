"""The rules of each kind: one small file a kind, on top of `base.Strategy`.

`of(resource)` gives the strategy. A kind without a file of its own gets the default rules, with what
`table.py` says of it. Adding a kind's rules is one file with a `Strategy` and one line in `_MODULES`.
"""

from __future__ import annotations

from functools import lru_cache

from kube_actors.api.resources import Resource
from kube_actors.apiserver.strategies import (
    deployment,
    endpointslice,
    event,
    namespace,
    node,
    pod,
    replicationcontroller,
    service,
    workload,
)
from kube_actors.apiserver.strategies.base import Strategy
from kube_actors.apiserver.strategies.table import RULES

_STRATEGIES: dict[tuple[str, str], type[Strategy]] = {
    ("", "Pod"): pod.PodStrategy,
    ("", "Service"): service.ServiceStrategy,
    ("", "Namespace"): namespace.NamespaceStrategy,
    ("", "Node"): node.NodeStrategy,
    ("", "Event"): event.EventStrategy,
    ("events.k8s.io", "Event"): event.EventStrategy,
    ("", "ReplicationController"): replicationcontroller.ReplicationControllerStrategy,
    ("apps", "Deployment"): deployment.DeploymentStrategy,
    ("apps", "ReplicaSet"): workload.WorkloadStrategy,
    ("apps", "StatefulSet"): workload.WorkloadStrategy,
    ("apps", "DaemonSet"): workload.WorkloadStrategy,
    ("discovery.k8s.io", "EndpointSlice"): endpointslice.EndpointSliceStrategy,
}


@lru_cache(maxsize=None)
def of(resource: Resource) -> Strategy:
    """The rules of a resource's kind."""
    make = _STRATEGIES.get((resource.group, resource.kind), Strategy)
    return make(resource, RULES.get((resource.group, resource.kind)))
