"""What objects use of a ResourceQuota, and which quotas count them. Pure.

Contract: k8s.io/kubernetes/pkg/quota/v1/evaluator/core. Amounts are texts of quantities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kube_actors.aio.clock import parse_rfc3339
from kube_actors.api import Obj, quantity
from kube_actors.api.meta import get_path
from kube_actors.api.pods import qos_class
from kube_actors.api.resources import Resource

Usage = dict[str, str]

# Kinds that have a name of their own in quotas, besides count/RESOURCE.
_PLAIN = frozenset(
    ("configmaps", "secrets", "services", "replicationcontrollers", "resourcequotas", "persistentvolumeclaims")
)
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_STORAGE_CLASS = "storageclass.storage.k8s.io"


def count_name(resource: Resource) -> str:
    """`count/deployments.apps`: how a quota names the number of objects of any kind."""
    return f"count/{resource.qualified}"


def usage(resource: Resource, obj: Obj, now: float) -> Usage:
    """What one object uses, by the names that quotas have."""
    used: Usage = {count_name(resource): "1"}
    if resource.group == "" and resource.plural in _PLAIN:
        used[resource.plural] = "1"
    special = _SPECIAL.get(resource.qualified)
    return used | special(obj, now) if special is not None else used


def total(parts: Iterable[Usage], names: Iterable[str]) -> Usage:
    """The sum over objects, of the quota's own names."""
    summed = dict.fromkeys(names, "0")
    for part in parts:
        for name in part.keys() & summed.keys():
            summed[name] = quantity.add(summed[name], part[name])
    return summed


def matches(quota: Obj, resource: Resource, obj: Obj) -> bool:
    """Whether every scope of the quota takes the object. Scopes take pods alone, but for those of claims' classes."""
    spec = quota["spec"]
    wanted = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    wanted += get_path(spec, "scopeSelector", "matchExpressions", default=[])
    if not wanted:
        return True
    if resource.qualified == "pods":
        return all(_pod_in_scope(obj, each) for each in wanted)
    if resource.qualified == "persistentvolumeclaims":
        return all(_claim_in_scope(obj, each) for each in wanted)
    return False


def is_counted(pod: Obj, now: float) -> bool:
    """Whether a pod still uses anything: it has not ended, and is not late in its deletion."""
    if get_path(pod, "status", "phase") in ("Succeeded", "Failed"):
        return False
    deleted = pod["metadata"].get("deletionTimestamp")
    grace = pod["metadata"].get("deletionGracePeriodSeconds")
    return not (deleted and grace is not None and now > parse_rfc3339(deleted) + grace)


def _pod(pod: Obj, now: float) -> Usage:
    if not is_counted(pod, now):
        return {}
    used: Usage = {"pods": "1"}
    for name, amount in pod_resources(pod["spec"], "requests").items():
        if name in _COMPUTE or name.startswith("hugepages-"):
            used |= {name: amount, f"requests.{name}": amount}
        else:
            used[f"requests.{name}"] = amount
    for name, amount in pod_resources(pod["spec"], "limits").items():
        if name in _COMPUTE:
            used[f"limits.{name}"] = amount
    return used


def pod_resources(spec: Obj, kind: str) -> Usage:
    """The requests or limits of a whole pod: containers together, or what initialization needs at its most.

    Init containers that restart always (sidecars) run beside all that follow them.
    """
    running: Usage = {}
    for container in spec.get("containers") or ():
        running = _added(running, _of(container, kind))
    sidecars: Usage = {}
    most: Usage = {}
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            sidecars = _added(sidecars, _of(container, kind))
            most = _larger(most, sidecars)
        else:
            most = _larger(most, _added(sidecars, _of(container, kind)))
    whole = _larger(_added(running, sidecars), most)
    whole |= get_path(spec, "resources", kind, default={})
    overhead: Usage = spec.get("overhead") or {}
    # A limit that there is not is not made one by the overhead.
    return _added(whole, {name: each for name, each in overhead.items() if kind == "requests" or name in whole})


def _of(container: Obj, kind: str) -> Mapping[str, str]:
    found: Mapping[str, str] = get_path(container, "resources", kind, default={})
    return found


def _added(left: Mapping[str, str], right: Mapping[str, str]) -> Usage:
    return {**left, **{name: quantity.add(left.get(name, "0"), amount) for name, amount in right.items()}}


def _larger(left: Mapping[str, str], right: Mapping[str, str]) -> Usage:
    bigger = {name: each for name, each in right.items() if name not in left or quantity.compare(each, left[name]) > 0}
    return {**left, **bigger}


def _service(service: Obj, now: float) -> Usage:
    spec = service["spec"]
    ports = spec.get("ports") or ()
    if spec.get("type") == "NodePort":
        return {"services.nodeports": str(len(ports)), "services.loadbalancers": "0"}
    if spec.get("type") != "LoadBalancer":
        return {}
    # Ports that will be allocated count before they are, so that admission can refuse them.
    allocates = spec.get("allocateLoadBalancerNodePorts", True) is not False
    number = len(ports) if allocates else sum(1 for port in ports if port.get("nodePort"))
    return {"services.nodeports": str(number), "services.loadbalancers": "1"}


def _claim(claim: Obj, now: float) -> Usage:
    storage = str(get_path(claim, "spec", "resources", "requests", "storage", default="0"))
    allocated = get_path(claim, "status", "allocatedResources", "storage")
    if allocated is not None and quantity.compare(allocated, storage) > 0:
        storage = allocated
    used: Usage = {"requests.storage": storage}
    if kind := get_path(claim, "spec", "storageClassName"):
        prefix = f"{kind}.{_STORAGE_CLASS}"
        used |= {f"{prefix}/requests.storage": storage, f"{prefix}/persistentvolumeclaims": "1"}
    return used


_SPECIAL: dict[str, Callable[[Obj, float], Usage]] = {
    "pods": _pod,
    "services": _service,
    "persistentvolumeclaims": _claim,
}


def _pod_in_scope(pod: Obj, scope: Obj) -> bool:
    name, spec = scope.get("scopeName"), pod["spec"]
    ends = spec.get("activeDeadlineSeconds") is not None
    if name in ("Terminating", "NotTerminating"):
        return bool(ends == (name == "Terminating"))
    if name in ("BestEffort", "NotBestEffort"):
        return bool((qos_class(spec) == "BestEffort") == (name == "BestEffort"))
    if name == "PriorityClass":
        return _holds(scope, spec.get("priorityClassName") or "")
    return name == "CrossNamespacePodAffinity" and _crosses_namespaces(spec)


def _claim_in_scope(claim: Obj, scope: Obj) -> bool:
    if scope.get("scopeName") != "VolumeAttributesClass":
        return False
    return _holds(scope, get_path(claim, "spec", "volumeAttributesClassName", default=""))


def _holds(scope: Obj, value: str) -> bool:
    operator, values = str(scope.get("operator", "Exists")), scope.get("values") or ()
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    return bool(value) == (operator == "Exists")


def _crosses_namespaces(spec: Obj) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        affinity = get_path(spec, "affinity", kind, default={})
        terms = list(affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [each.get("podAffinityTerm") or {} for each in preferred]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False
