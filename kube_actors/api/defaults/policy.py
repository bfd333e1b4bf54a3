"""Defaults of the groups that say who may do what and how much: rbac, autoscaling, storage, flow control and more."""

from __future__ import annotations

from collections.abc import Callable

from kube_actors.api import Obj

_RBAC = "rbac.authorization.k8s.io"


def _binding(obj: Obj) -> None:
    obj["roleRef"].setdefault("apiGroup", _RBAC)
    if not obj["roleRef"]["apiGroup"]:
        obj["roleRef"]["apiGroup"] = _RBAC
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            subject.setdefault("apiGroup", _RBAC)


def _autoscaler_v1(obj: Obj) -> None:
    obj["spec"].setdefault("minReplicas", 1)
    if not any(key.startswith("autoscaling.alpha.kubernetes.io/") for key in obj["metadata"].get("annotations") or ()):
        obj["spec"].setdefault("targetCPUUtilizationPercentage", 80)


def _autoscaler(obj: Obj) -> None:
    spec = obj["spec"]
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is not None:
        _scaling_rules(behavior, "scaleUp", [("Pods", 4), ("Percent", 100)], stabilization=0)
        _scaling_rules(behavior, "scaleDown", [("Percent", 100)], stabilization=None)


def _scaling_rules(behavior: Obj, name: str, policies: list[tuple[str, int]], stabilization: int | None) -> None:
    rules = behavior.setdefault(name, {})
    if stabilization is not None:
        rules.setdefault("stabilizationWindowSeconds", stabilization)
    rules.setdefault("selectPolicy", "Max")
    if not rules.get("policies"):
        rules["policies"] = [{"type": kind, "value": value, "periodSeconds": 15} for kind, value in policies]


def _priority_class(obj: Obj) -> None:
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _storage_class(obj: Obj) -> None:
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def _csi_driver(obj: Obj) -> None:
    spec = obj["spec"]
    spec.setdefault("attachRequired", True)
    spec.setdefault("podInfoOnMount", False)
    spec.setdefault("storageCapacity", False)
    spec.setdefault("fsGroupPolicy", "ReadWriteOnceWithFSType")
    spec.setdefault("requiresRepublish", False)
    spec.setdefault("seLinuxMount", False)
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def _device_request(request: Obj) -> None:
    request.setdefault("allocationMode", "ExactCount")
    if request["allocationMode"] == "ExactCount" and not request.get("count"):
        request["count"] = 1


def _device_claim(spec: Obj) -> None:
    for request in spec.get("devices", {}).get("requests") or ():
        if "exactly" in request:
            _device_request(request["exactly"])
        for alternative in request.get("firstAvailable") or ():
            _device_request(alternative)


def _resource_claim(obj: Obj) -> None:
    _device_claim(obj["spec"])


def _resource_claim_template(obj: Obj) -> None:
    _device_claim(obj["spec"].get("spec", {}))


def _flow_schema(obj: Obj) -> None:
    if not obj["spec"].get("matchingPrecedence"):
        obj["spec"]["matchingPrecedence"] = 1000


def _priority_level(obj: Obj) -> None:
    exempt, limited = obj["spec"].get("exempt"), obj["spec"].get("limited")
    if obj["spec"].get("type") == "Exempt":
        exempt = obj["spec"].setdefault("exempt", {})
    if exempt is not None:
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)
    if limited is None:
        return
    limited.setdefault("nominalConcurrencyShares", 30)
    limited.setdefault("lendablePercent", 0)
    queuing = limited.get("limitResponse", {}).get("queuing")
    if queuing is not None:
        for name, value in (("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)):
            queuing[name] = queuing.get(name) or value


DEFAULTS: dict[str, Callable[[Obj], None]] = {
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "v1.HorizontalPodAutoscaler": _autoscaler_v1,
    "v2.HorizontalPodAutoscaler": _autoscaler,
    "PriorityClass": _priority_class,
    "StorageClass": _storage_class,
    "CSIDriver": _csi_driver,
    "ResourceClaim": _resource_claim,
    "ResourceClaimTemplate": _resource_claim_template,
    "FlowSchema": _flow_schema,
    "PriorityLevelConfiguration": _priority_level,
}
