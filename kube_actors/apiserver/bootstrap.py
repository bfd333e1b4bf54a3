"""What a cluster holds from its first moment, and again whenever a server starts: namespaces, its own Service.

Kubernetes: the bootstrap hooks of kube-apiserver (system namespaces, kubernetes service controller, priority classes).
Several servers may do it at once; who comes second finds the objects there.
"""

from __future__ import annotations

import structlog

from kube_actors.api import Obj, encoding, errors
from kube_actors.api.resources import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    NAMESPACES,
    SERVICES,
    Resource,
    builtin,
)
from kube_actors.apiserver.operations import Operations
from kube_actors.apiserver.request import Request, Target, User, WriteOptions

log = structlog.get_logger(__name__)

SYSTEM = User("system:apiserver", ("system:masters", "system:authenticated"))
NAMES = ("default", "kube-system", "kube-public", "kube-node-lease")
PRIORITY_CLASSES = builtin("scheduling.k8s.io/v1", "priorityclasses")
SERVICE_CIDRS = builtin("networking.k8s.io/v1", "servicecidrs")


async def run(operations: Operations, first_ip: str, service_cidr: str, address: str, port: int) -> None:
    """Create what is missing, and make the kubernetes Service's endpoints name this server."""
    for name in NAMES:
        await _create(operations, NAMESPACES, {"metadata": {"name": name}})
    for obj in _priority_classes():
        await _create(operations, PRIORITY_CLASSES, obj)
    await _create(operations, SERVICE_CIDRS, {"metadata": {"name": "kubernetes"}, "spec": {"cidrs": [service_cidr]}})
    await _create(operations, SERVICES, _service(first_ip))
    await _write(operations, ENDPOINTS, _endpoints(address, port))
    await _write(operations, ENDPOINT_SLICES, _slice(address, port))


async def _create(operations: Operations, resource: Resource, obj: Obj) -> None:
    request = Request(SYSTEM, _target(resource, obj))
    try:
        await operations.create(request, _body(resource, obj), WriteOptions())
    except errors.AlreadyExists:
        return
    except errors.Invalid as error:
        if "already allocated" not in error.message:
            raise


async def _write(operations: Operations, resource: Resource, obj: Obj) -> None:
    """Create it, or replace it where it says something else."""
    target = _target(resource, obj)
    try:
        await operations.create(Request(SYSTEM, target), _body(resource, obj), WriteOptions())
    except errors.AlreadyExists:
        named = Target(resource, target.namespace, obj["metadata"]["name"])
        await operations.update(Request(SYSTEM, named), _body(resource, obj), WriteOptions())


def _target(resource: Resource, obj: Obj) -> Target:
    return Target(resource, obj["metadata"].get("namespace", ""))


def _body(resource: Resource, obj: Obj) -> bytes:
    return encoding.dumps({"kind": resource.kind, "apiVersion": resource.api_version, **obj})


def _service(ip: str) -> Obj:
    return {
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": ip,
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
            "type": "ClusterIP",
        },
    }


def _endpoints(address: str, port: int) -> Obj:
    return {
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [
            {"addresses": [{"ip": address}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}]},
        ],
    }


def _slice(address: str, port: int) -> Obj:
    return {
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv6" if ":" in address else "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


def _priority_classes() -> list[Obj]:
    return [
        {
            "metadata": {"name": "system-node-critical"},
            "value": 2000001000,
            "description": "Used for system critical pods that must not be moved from their current node.",
        },
        {
            "metadata": {"name": "system-cluster-critical"},
            "value": 2000000000,
            "description": "Used for system critical pods that must run in the cluster, but can be moved to another "
            "node if necessary.",
        },
    ]
