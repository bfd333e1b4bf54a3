"""APIServices of this server's own groups and versions, and of its custom resources.

Kubernetes: cmd/kube-apiserver's apiVersionPriorities, and kube-aggregator's autoregister controller.
"""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.aio.clock import rfc3339
from kube_actors.api import Obj
from kube_actors.api.resources import Resource, builtin

API_SERVICES = builtin("apiregistration.k8s.io/v1", "apiservices")
MANAGED = "kube-aggregator.kubernetes.io/automanaged"
ON_START, ALWAYS = "onstart", "true"

# group: its groupPriorityMinimum; versions have 15 but where they say otherwise.
_PRIORITIES = {
    "": 18000,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
    "resource.k8s.io": 15900,
}
_VERSION_PRIORITIES = {("", "v1"): 1, ("autoscaling", "v2"): 30, ("flowcontrol.apiserver.k8s.io", "v1"): 21}
_CUSTOM = (1000, 100)


def local_services(resources: Iterable[Resource], now: float) -> dict[str, Obj]:
    """The APIServices that there should be, by name."""
    made: dict[str, Obj] = {}
    for resource in resources:
        group, version = resource.group, resource.version
        if resource.custom:
            priorities = _CUSTOM
        elif group in _PRIORITIES:
            priorities = _PRIORITIES[group], _VERSION_PRIORITIES.get((group, version), 15)
        else:
            continue
        name = f"{version}.{group}"
        if name not in made:
            made[name] = _service(name, resource, priorities, now)
    return made


def _service(name: str, resource: Resource, priorities: tuple[int, int], now: float) -> Obj:
    available = {
        "type": "Available",
        "status": "True",
        "lastTransitionTime": rfc3339(int(now)),
        "reason": "Local",
        "message": "Local APIServices are always available",
    }
    spec: Obj = {"version": resource.version, "groupPriorityMinimum": priorities[0], "versionPriority": priorities[1]}
    if resource.group:
        spec["group"] = resource.group
    return {
        "kind": API_SERVICES.kind,
        "apiVersion": API_SERVICES.api_version,
        "metadata": {"name": name, "labels": {MANAGED: ALWAYS if resource.custom else ON_START}},
        "spec": spec,
        "status": {"conditions": [available]},
    }


def is_local(service: Obj) -> bool:
    return service["spec"].get("service") is None


def is_automatic(service: Obj) -> bool:
    """Whether it was made for a custom resource, with which it goes."""
    return bool((service["metadata"].get("labels") or {}).get(MANAGED) == ALWAYS)
