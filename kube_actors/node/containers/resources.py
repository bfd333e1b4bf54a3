"""Requests and limits of a container as the kernel takes them, and the pod's quality of service.

Formulas are kubelet's: pkg/kubelet/cm/helpers_linux.go and pkg/kubelet/qos/policy.go.
"""

from __future__ import annotations

from kube_actors.api import Obj, pods
from kube_actors.api.quantity import from_int, from_milli, milli, parse, to_int
from kube_actors.node.runtime.interface import CPU_PERIOD_US, MAX_SHARES, MIN_SHARES, Limits

MIN_QUOTA_US = 1_000

GUARANTEED, BEST_EFFORT = "Guaranteed", "BestEffort"
NODE_CRITICAL = "system-node-critical"


def shares_of(milli_cpu: int) -> int:
    """cgroup cpu.shares for a request in thousandths of a core."""
    if milli_cpu == 0:
        return MIN_SHARES
    return max(MIN_SHARES, min(MAX_SHARES, milli_cpu * 1024 // 1000))


def quota_of(milli_cpu: int) -> int:
    """cgroup cpu.cfs_quota_us for a limit in thousandths of a core; 0: none."""
    return max(MIN_QUOTA_US, milli_cpu * CPU_PERIOD_US // 1000) if milli_cpu else 0


def request_of(container: Obj, resource: str) -> str:
    """The request; where only a limit is set, that."""
    resources = container.get("resources") or {}
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    return str(requests.get(resource, limits.get(resource, "0")))


def limit_of(container: Obj, resource: str) -> str:
    return str(((container.get("resources") or {}).get("limits") or {}).get(resource, "0"))


def limits_of(pod: Obj, container: Obj) -> Limits:
    """What the kernel enforces for the container. A limit of the pod as a whole holds for every container without
    one of its own."""
    cpu, memory = (_effective_limit(pod, container, resource) for resource in ("cpu", "memory"))
    request = ((container.get("resources") or {}).get("requests") or {}).get("cpu", cpu)
    return Limits(cpu_shares=shares_of(milli(request)), cpu_quota_us=quota_of(milli(cpu)), memory_bytes=to_int(memory))


def _effective_limit(pod: Obj, container: Obj, resource: str) -> str:
    own = limit_of(container, resource)
    return own if parse(own) else limit_of(pod["spec"], resource)


def pod_limits(pod: Obj) -> Limits:
    """What the kernel enforces for the pod as a whole (ResourceConfigForPod): a limit of its own, or those of its
    containers together where none of them is without."""
    if qos_class(pod) == BEST_EFFORT:
        return Limits()
    spec = pod["spec"]
    limits = {name: amount for name, amount in pods.limits_of(spec).items() if _is_limited(spec, name)}
    return Limits(
        cpu_shares=shares_of(pods.requests_of(spec).get("cpu", 0)),
        cpu_quota_us=quota_of(limits.get("cpu", 0)),
        memory_bytes=limits.get("memory", 0),
    )


def widest(one: Limits, other: Limits) -> Limits:
    """What is enough for either."""
    return Limits(
        cpu_shares=max(one.cpu_shares, other.cpu_shares),
        cpu_quota_us=max(one.cpu_quota_us, other.cpu_quota_us) if one.cpu_quota_us and other.cpu_quota_us else 0,
        memory_bytes=max(one.memory_bytes, other.memory_bytes) if one.memory_bytes and other.memory_bytes else 0,
    )


def _is_limited(spec: Obj, resource: str) -> bool:
    containers = pods.all_containers(spec)
    return bool(parse(limit_of(spec, resource)) or all(parse(limit_of(each, resource)) for each in containers))


def applied(resources: Obj, limits: Limits | None, before: Obj) -> Obj:
    """The resources of a container as they are in force: those granted, with the runtime's amounts where it has
    others. What the kernel cannot tell apart is shown as it was granted; a limit that is not in force is not shown.
    Of a request for memory the kernel knows nothing: until its limit is in force the one `before` is.
    """
    if limits is None:
        return resources
    shown: Obj = {kind: dict(amounts) for kind, amounts in resources.items() if isinstance(amounts, dict)}
    granted, asked = shown.get("limits", {}), shown.get("requests", {})
    if "cpu" in granted and quota_of(milli(granted["cpu"])) != limits.cpu_quota_us:
        _show(granted, "cpu", from_milli(limits.cpu_quota_us * 1000 // CPU_PERIOD_US))
    if "memory" in granted and to_int(granted["memory"]) != limits.memory_bytes:
        _show(granted, "memory", from_int(limits.memory_bytes, binary=True))
        if known := (before.get("requests") or {}).get("memory"):
            asked["memory"] = known
    if "cpu" in asked and shares_of(milli(asked["cpu"])) != limits.cpu_shares:
        _show(asked, "cpu", from_milli(-(-limits.cpu_shares * 1000 // 1024)))
    return {kind: shown.get(kind, value) for kind, value in resources.items() if shown.get(kind, value)}


def _show(amounts: Obj, name: str, amount: str) -> None:
    if amount == "0":
        del amounts[name]
    else:
        amounts[name] = amount


def oom_score_adj(pod: Obj, container: Obj, node_memory: int) -> int:
    """Who dies first when memory runs out: best effort, then those that use more than they asked for."""
    qos = qos_class(pod)
    if qos == GUARANTEED or pod["spec"].get("priorityClassName") == NODE_CRITICAL:
        return -997
    if qos == BEST_EFFORT or node_memory <= 0:
        return 1000
    request = _memory_request(container)
    if container.get("restartPolicy") == "Always" and container in (pod["spec"].get("initContainers") or ()):
        # A sidecar goes no sooner than the containers that need it.
        request = max(request, min(map(_memory_request, pod["spec"]["containers"])))
    adjusted = 1000 - 1000 * (request + _share_of_whole(pod["spec"])) // node_memory
    # Above guaranteed and below best effort, whatever was asked for.
    return max(3, 999 if adjusted == 1000 else adjusted)


def _memory_request(container: Obj) -> int:
    return to_int(request_of(container, "memory"))


def _share_of_whole(spec: Obj) -> int:
    """What a container has of the memory that the pod as a whole asks for beyond its containers."""
    whole = ((spec.get("resources") or {}).get("requests") or {}).get("memory")
    if whole is None:
        return 0
    counted = pods.lasting_containers(spec)
    return max(0, to_int(whole) - sum(map(_memory_request, counted))) // max(1, len(counted))


def qos_class(pod: Obj) -> str:
    """Guaranteed, Burstable or BestEffort; what the API server wrote at creation comes first."""
    return str((pod.get("status") or {}).get("qosClass") or pods.qos_class(pod["spec"]))
