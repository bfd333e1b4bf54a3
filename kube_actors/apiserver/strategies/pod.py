"""Pods: born Pending with a QoS class, deleted gracefully once they have a node."""

from __future__ import annotations

from kube_actors.api import Obj, quantity
from kube_actors.api.meta import get_path
from kube_actors.apiserver.request import DeleteOptions
from kube_actors.apiserver.strategies.base import Strategy

_COMPUTE = ("cpu", "memory")


class PodStrategy(Strategy):
    def prepare_create(self, obj: Obj) -> None:
        super().prepare_create(obj)
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj)}

    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        super().prepare_status_update(new, old)
        for key in ("ownerReferences", "deletionTimestamp", "deletionGracePeriodSeconds"):
            if key in old["metadata"]:
                new["metadata"][key] = old["metadata"][key]
            else:
                new["metadata"].pop(key, None)

    def grace_seconds(self, obj: Obj, options: DeleteOptions) -> int | None:
        """Kubernetes: podStrategy.CheckGracefulDelete."""
        spec = obj.get("spec") or {}
        period = options.grace_seconds
        if period is None:
            period = spec.get("terminationGracePeriodSeconds") or 0
        if not spec.get("nodeName") or get_path(obj, "status", "phase") in ("Succeeded", "Failed"):
            return 0
        return 1 if period < 0 else period


def qos_class(pod: Obj) -> str:
    """Guaranteed: every container's limits are its requests, for cpu and memory; BestEffort: none has any."""
    spec = pod.get("spec") or {}
    any_set, all_equal = False, True
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        resources = container.get("resources") or {}
        requests = _set(resources.get("requests"))
        limits = _set(resources.get("limits"))
        any_set = any_set or bool(requests) or bool(limits)
        if len(limits) < len(_COMPUTE) or any(
            name in requests and quantity.compare(requests[name], limits[name]) != 0 for name in _COMPUTE
        ):
            all_equal = False
    if not any_set:
        return "BestEffort"
    return "Guaranteed" if all_equal else "Burstable"


def _set(amounts: Obj | None) -> dict[str, str]:
    found = {}
    for name in _COMPUTE:
        amount = (amounts or {}).get(name)
        if amount is not None and quantity.compare(str(amount), "0") > 0:
            found[name] = str(amount)
    return found
