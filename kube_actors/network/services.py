"""From Services and EndpointSlices to the table of what is reachable where. Pure.

Rules: https://kubernetes.io/docs/reference/networking/virtual-ips/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kube_actors.api import Obj
from kube_actors.api.meta import get_path, labels_of, name_of, namespace_of

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
# Kubernetes' default of sessionAffinityConfig.clientIP.timeoutSeconds.
AFFINITY_SECONDS = 10_800


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """An address and port of a pod; `local`: the pod is on this node."""

    ip: str
    port: int
    local: bool = False


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of one Service, with everything a backend needs to serve it."""

    namespace: str
    name: str
    port_name: str
    protocol: str
    port: int
    node_port: int
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    # Only endpoints of this node answer, for traffic from inside and from outside.
    internal_local: bool = False
    external_local: bool = False
    # How long a client stays with its endpoint, in seconds; 0: every connection is drawn anew.
    affinity_seconds: int = 0

    @property
    def internal_endpoints(self) -> tuple[Endpoint, ...]:
        """Who answers on the cluster addresses."""
        return self._of_policy(self.internal_local)

    @property
    def external_endpoints(self) -> tuple[Endpoint, ...]:
        """Who answers on node ports and external addresses."""
        return self._of_policy(self.external_local)

    def _of_policy(self, local: bool) -> tuple[Endpoint, ...]:
        return tuple(endpoint for endpoint in self.endpoints if endpoint.local) if local else self.endpoints


def plan(services: Iterable[Obj], slices: Iterable[Obj], node: str) -> tuple[ServicePort, ...]:
    """The table as node `node` has to serve it, in a stable order."""
    slices_of: dict[tuple[str, str], list[Obj]] = {}
    for found in slices:
        owner = labels_of(found).get(SERVICE_NAME_LABEL)
        if owner and found.get("addressType") == "IPv4":
            slices_of.setdefault((namespace_of(found), owner), []).append(found)
    planned: list[ServicePort] = []
    for service in services:
        own = slices_of.get((namespace_of(service), name_of(service)), [])
        planned.extend(_ports_of(service, own, node))
    return tuple(sorted(planned, key=lambda port: (port.namespace, port.name, port.protocol, port.port)))


def _ports_of(service: Obj, slices: list[Obj], node: str) -> Iterable[ServicePort]:
    spec = service.get("spec") or {}
    cluster_ips = tuple(ip for ip in spec.get("clusterIPs") or [spec.get("clusterIP")] if _is_ipv4(ip))
    if spec.get("type") == "ExternalName" or not cluster_ips:
        return
    affinity = 0
    if spec.get("sessionAffinity") == "ClientIP":
        affinity = get_path(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds", default=AFFINITY_SECONDS)
    for port in spec.get("ports") or ():
        yield ServicePort(
            namespace=namespace_of(service),
            name=name_of(service),
            port_name=port.get("name") or "",
            protocol=port.get("protocol") or "TCP",
            port=port["port"],
            node_port=port.get("nodePort") or 0,
            cluster_ips=cluster_ips,
            external_ips=_external_ips(service),
            endpoints=_endpoints(slices, port.get("name") or "", port.get("protocol") or "TCP", node),
            internal_local=spec.get("internalTrafficPolicy") == "Local",
            external_local=spec.get("externalTrafficPolicy") == "Local",
            affinity_seconds=affinity,
        )


def _external_ips(service: Obj) -> tuple[str, ...]:
    ingress = get_path(service, "status", "loadBalancer", "ingress", default=[])
    balanced = [entry.get("ip") for entry in ingress if entry.get("ipMode", "VIP") == "VIP"]
    return tuple(ip for ip in [*(service["spec"].get("externalIPs") or ()), *balanced] if _is_ipv4(ip))


def _endpoints(slices: list[Obj], port_name: str, protocol: str, node: str) -> tuple[Endpoint, ...]:
    """The ready endpoints; where there are none, those that still serve while they terminate."""
    ready: set[Endpoint] = set()
    terminating: set[Endpoint] = set()
    for found in slices:
        number = _port_number(found, port_name, protocol)
        if number is None:
            continue
        for entry in found.get("endpoints") or ():
            conditions = entry.get("conditions") or {}
            target = Endpoint(entry["addresses"][0], number, entry.get("nodeName") == node)
            if conditions.get("ready", True):
                ready.add(target)
            elif conditions.get("serving") and conditions.get("terminating"):
                terminating.add(target)
    return tuple(sorted(ready or terminating))


def _port_number(found: Obj, port_name: str, protocol: str) -> int | None:
    for port in found.get("ports") or ():
        if (port.get("name") or "") == port_name and (port.get("protocol") or "TCP") == protocol:
            number = port.get("port")
            return int(number) if number is not None else None
    return None


def _is_ipv4(ip: str | None) -> bool:
    return bool(ip) and ip != "None" and ":" not in str(ip)


def by_address(table: Iterable[ServicePort]) -> Mapping[tuple[str, str, int], ServicePort]:
    """(address, protocol, port) of every cluster and external address -> its ServicePort."""
    return {(ip, port.protocol, port.port): port for port in table for ip in (*port.cluster_ips, *port.external_ips)}
