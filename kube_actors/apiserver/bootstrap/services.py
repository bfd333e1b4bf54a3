"""The Service by which pods reach the API server, the endpoints behind it, and the range of Services' addresses."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.resources import ENDPOINT_SLICES, ENDPOINTS, SERVICES, builtin
from kube_actors.apiserver.bootstrap.writing import Existing, First

_SERVICE_CIDRS = builtin("networking.k8s.io/v1", "servicecidrs")
_NAME, _NAMESPACE = "kubernetes", "default"
_READY = {
    "type": "Ready",
    "status": "True",
    "reason": "",
    "message": "Kubernetes default Service CIDR is ready",
}


def objects(first_ip: str, service_cidr: str, address: str, port: int) -> list[First]:
    """`address` and `port` are where this server serves REST."""
    cidr = {"metadata": {"name": _NAME}, "spec": {"cidrs": service_cidr.split(",")}}
    return [
        First(_SERVICE_CIDRS, cidr, conditions=(_READY,)),
        First(SERVICES, _service(first_ip)),
        First(ENDPOINTS, _endpoints(address, port), Existing.REPLACE),
        First(ENDPOINT_SLICES, _slice(address, port), Existing.REPLACE),
    ]


def _metadata(labels: dict[str, str]) -> Obj:
    return {"name": _NAME, "namespace": _NAMESPACE, "labels": labels}


def _service(ip: str) -> Obj:
    ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]
    return {
        "metadata": _metadata({"component": "apiserver", "provider": "kubernetes"}),
        "spec": {"clusterIP": ip, "ports": ports, "type": "ClusterIP"},
    }


def _endpoints(address: str, port: int) -> Obj:
    ports = [{"name": "https", "port": port, "protocol": "TCP"}]
    return {
        "metadata": _metadata({"endpointslice.kubernetes.io/skip-mirror": "true"}),
        "subsets": [{"addresses": [{"ip": address}], "ports": ports}],
    }


def _slice(address: str, port: int) -> Obj:
    return {
        "metadata": _metadata({"kubernetes.io/service-name": _NAME}),
        "addressType": "IPv6" if ":" in address else "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }
