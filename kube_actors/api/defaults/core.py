"""Defaults of the core group's kinds but pods (k8s.io/kubernetes/pkg/apis/core/v1/defaults.go)."""

from __future__ import annotations

import base64
from collections.abc import Callable

from kube_actors.api import Obj
from kube_actors.api.defaults.pods import SOURCES, default_pod, pod_template

_CLIENT_IP_SECONDS = 10_800


def _service(obj: Obj) -> None:
    spec = obj["spec"]
    kind = spec.setdefault("type", "ClusterIP")
    affinity = spec.setdefault("sessionAffinity", "None")
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {})
        config.setdefault("clientIP", {}).setdefault("timeoutSeconds", _CLIENT_IP_SECONDS)
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port["port"]
    if kind in ("NodePort", "LoadBalancer") or (kind == "ClusterIP" and spec.get("externalIPs")):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind in ("NodePort", "LoadBalancer", "ClusterIP"):
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        for ingress in obj.get("status", {}).get("loadBalancer", {}).get("ingress") or ():
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")


def _secret(obj: Obj) -> None:
    """The type; stringData goes into data, encoded: it is never stored, shown or owned."""
    obj.setdefault("type", "Opaque")
    strings: dict[str, str] | None = obj.pop("stringData", None)
    if strings:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in strings.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}


def _endpoints(obj: Obj) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _node(obj: Obj) -> None:
    spec = obj["spec"]
    if spec.get("podCIDR") and (spec.get("podCIDRs") or [""])[0] != spec["podCIDR"]:  # the second holds the first
        spec["podCIDRs"] = [spec["podCIDR"]]
    elif spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]
    status = obj.get("status") or {}
    if "capacity" in status:
        status.setdefault("allocatable", dict(status["capacity"]))


def _persistent_volume(obj: Obj) -> None:
    spec = obj["spec"]
    obj.setdefault("status", {}).setdefault("phase", "Pending")
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    for name in spec:
        if name in SOURCES:
            SOURCES[name](spec[name])


def claim(obj: Obj) -> None:
    """Defaults of a PersistentVolumeClaim, also of one in a StatefulSet's templates."""
    obj.setdefault("status", {}).setdefault("phase", "Pending")
    obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")


def _replication_controller(obj: Obj) -> None:
    spec = obj["spec"]
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)
    spec.setdefault("replicas", 1)
    pod_template(spec.get("template"))


def _pod_template(obj: Obj) -> None:
    pod_template(obj.get("template"))


def _limit_range(obj: Obj) -> None:
    for limit in obj["spec"].get("limits") or ():
        if limit.get("type") != "Container":
            continue
        default, request = limit.setdefault("default", {}), limit.setdefault("defaultRequest", {})
        for name, amount in (limit.get("max") or {}).items():
            default.setdefault(name, amount)
        for name, amount in default.items():
            request.setdefault(name, amount)
        for name, amount in (limit.get("min") or {}).items():
            request.setdefault(name, amount)
        for name in ("default", "defaultRequest"):
            if not limit[name]:
                del limit[name]


DEFAULTS: dict[str, Callable[[Obj], None]] = {
    "Node": _node,
    "Pod": default_pod,
    "PodTemplate": _pod_template,
    "Service": _service,
    "Secret": _secret,
    "Endpoints": _endpoints,
    "PersistentVolume": _persistent_volume,
    "PersistentVolumeClaim": claim,
    "ReplicationController": _replication_controller,
    "LimitRange": _limit_range,
}
