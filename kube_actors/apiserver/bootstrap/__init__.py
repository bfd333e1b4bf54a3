"""What a cluster holds from its first moment, and again whenever a server starts.

    namespaces -> priority classes, flow control, the kubernetes Service and its range, ConfigMaps, this server's Lease

Each module is data: functions that give `First` objects, with what becomes of one that is there already. `writing`
puts them into the store as any client would, all that do not need each other at once; several servers may do it at
the same time. `identity` keeps the Lease fresh by which others see this server.

Roles and bindings are reconciled rule by rule (`authz.reconcile`).

Kubernetes: the post-start hooks of kube-apiserver.
"""

from __future__ import annotations

from kube_actors.api.resources import NAMESPACES
from kube_actors.apiserver.authz.reconcile import reconcile
from kube_actors.apiserver.bootstrap import cluster_info, configmaps, flow_control, priorities, services
from kube_actors.apiserver.bootstrap.writing import SYSTEM, First, Writing
from kube_actors.apiserver.config import ApiServerConfig
from kube_actors.apiserver.operations import Operations

# The hooks of kube-apiserver whose work is done here, by which /healthz tells that it is.
HOOKS = (
    "start-system-namespaces-controller",
    "start-cluster-authentication-info-controller",
    "start-kube-apiserver-identity-lease-controller",
    "start-kube-apiserver-identity-lease-garbage-collector",
    "start-legacy-token-tracking-controller",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "priority-and-fairness-config-producer",
    "bootstrap-controller",
    "apiservice-registration-controller",
    "kube-apiserver-autoregistration",
)
NAMES = ("default", "kube-system", "kube-public", "kube-node-lease")


async def run(operations: Operations, config: ApiServerConfig, first_ip: str, port: int, now: float) -> None:
    """Create what is missing, and put right what must be as it is. Raises ApiError.

    `first_ip` is the kubernetes Service's address, `port` where this server serves REST.
    """
    writing = Writing(operations, now)
    await writing.write_all([First(NAMESPACES, {"metadata": {"name": name}}) for name in NAMES])
    await reconcile(operations, SYSTEM)
    await writing.write_all(
        [
            *priorities.objects(),
            *flow_control.objects(),
            *services.objects(first_ip, config.service_cidr, config.pod_gateway or config.advertise_address, port),
            *configmaps.objects(config.rest_tls.client_ca, now),
        ]
    )
    await cluster_info.write(operations, config.advertise_address, port, config.rest_tls.client_ca)
