"""Requests and limits of a container as the kernel takes them, and the pod's quality of service.

Formulas are kubelet's: pkg/kubelet/cm/helpers_linux.go and pkg/kubelet/qos/policy.go.
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.quantity import milli, parse, to_int
from kube_actors.node.runtime.interface import Limits

MIN_SHARES, MAX_SHARES = 2, 262_144
PERIOD_US = 100_000
MIN_QUOTA_US = 1_000

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"


def shares_of(milli_cpu: int) -> int:
    """cgroup cpu.shares for a request in thousandths of a core."""
    if milli_cpu == 0:
        return MIN_SHARES
    return max(MIN_SHARES, min(MAX_SHARES, milli_cpu * 1024 // 1000))


def quota_of(milli_cpu: int) -> int:
    """cgroup cpu.cfs_quota_us for a limit in thousandths of a core; 0: none."""
    return max(MIN_QUOTA_US, milli_cpu * PERIOD_US // 1000) if milli_cpu else 0


def request_of(container: Obj, resource: str) -> str:
    """The request; where only a limit is set, that."""
    resources = container.get("resources") or {}
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    return str(requests.get(resource, limits.get(resource, "0")))


def limit_of(container: Obj, resource: str) -> str:
    return str(((container.get("resources") or {}).get("limits") or {}).get(resource, "0"))


def limits_of(pod: Obj, container: Obj, node_memory: int) -> Limits:
    """What the kernel enforces for the container."""
    return Limits(
        cpu_shares=shares_of(milli(request_of(container, "cpu"))),
        cpu_quota_us=quota_of(milli(limit_of(container, "cpu"))),
        memory_bytes=to_int(limit_of(container, "memory")),
        oom_score_adj=oom_score_adj(pod, container, node_memory),
    )


def oom_score_adj(pod: Obj, container: Obj, node_memory: int) -> int:
    """Who dies first when memory runs out: best effort, then those that use more than they asked for."""
    if int(pod["spec"].get("priority") or 0) >= 2_000_000_000:
        return -997
    qos = qos_class(pod)
    if qos == GUARANTEED:
        return -997
    if qos == BEST_EFFORT or node_memory <= 0:
        return 1000
    adjusted = 1000 - 1000 * to_int(request_of(container, "memory")) // node_memory
    # Above guaranteed and below best effort, whatever was asked for.
    return max(3, 999 if adjusted == 1000 else adjusted)


def qos_class(pod: Obj) -> str:
    """Guaranteed, Burstable or BestEffort; what the API server wrote at creation comes first."""
    known = (pod.get("status") or {}).get("qosClass")
    if known:
        return str(known)
    spec = pod["spec"]
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    amounts = [
        (parse(request_of(each, resource)), parse(limit_of(each, resource)))
        for each in containers
        for resource in ("cpu", "memory")
    ]
    if not any(request or limit for request, limit in amounts):
        return BEST_EFFORT
    return GUARANTEED if all(limit and request == limit for request, limit in amounts) else BURSTABLE
