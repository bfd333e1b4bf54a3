"""The sandbox of a pod: what its containers share."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.node.config import NodeConfig
from kube_actors.node.containers.dns import Resolver, resolver_of
from kube_actors.node.containers.resources import pod_limits, qos_class
from kube_actors.node.runtime.interface import DeviceGrant, PortMapping, SandboxSpec

MAX_HOSTNAME = 63


def hostname_of(pod: Obj, config: NodeConfig) -> str:
    """The pod's hostname: spec.hostname, the node's with hostNetwork, else the pod's name, cut to 63."""
    spec = pod["spec"]
    if spec.get("hostNetwork"):
        return config.name
    if spec.get("hostnameOverride"):
        return str(spec["hostnameOverride"])
    hostname = str(spec.get("hostname") or pod["metadata"]["name"])[:MAX_HOSTNAME].rstrip("-.")
    domain = domain_of(pod, config)
    return f"{hostname}.{domain}" if domain and spec.get("setHostnameAsFQDN") else hostname


def domain_of(pod: Obj, config: NodeConfig) -> str:
    """`SUBDOMAIN.NAMESPACE.svc.DOMAIN` for a pod with a subdomain, else empty."""
    subdomain = pod["spec"].get("subdomain")
    return f"{subdomain}.{pod['metadata']['namespace']}.svc.{config.cluster_domain}" if subdomain else ""


def sandbox_spec(
    pod: Obj, config: NodeConfig, host_resolver: Resolver, ip: str, attempt: int, devices: tuple[DeviceGrant, ...] = ()
) -> SandboxSpec:
    """`ip` is the pod's address, empty with hostNetwork."""
    metadata, spec = pod["metadata"], pod["spec"]
    resolver = resolver_of(pod, config, host_resolver)
    context = spec.get("securityContext") or {}
    return SandboxSpec(
        namespace=str(metadata["namespace"]),
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        hostname=hostname_of(pod, config),
        ip=ip,
        host_network=bool(spec.get("hostNetwork")),
        host_pid=bool(spec.get("hostPID")),
        host_ipc=bool(spec.get("hostIPC")),
        host_users=spec.get("hostUsers") is not False,
        share_processes=bool(spec.get("shareProcessNamespace")),
        dns_servers=resolver.servers,
        dns_searches=resolver.searches,
        dns_options=resolver.options,
        host_aliases=_host_aliases(pod, config, ip),
        ports=_ports(spec),
        sysctls=tuple((str(each["name"]), str(each["value"])) for each in context.get("sysctls") or ()),
        attempt=attempt,
        labels=tuple(sorted((metadata.get("labels") or {}).items())),
        devices=devices,
        qos_class=qos_class(pod),
        limits=pod_limits(pod),
    )


def _host_aliases(pod: Obj, config: NodeConfig, ip: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    lines: list[tuple[str, tuple[str, ...]]] = []
    domain = domain_of(pod, config)
    if domain and ip:
        hostname = hostname_of(pod, config).partition(".")[0]
        lines.append((ip, (f"{hostname}.{domain}", hostname)))
    for each in pod["spec"].get("hostAliases") or ():
        lines.append((str(each["ip"]), tuple(each.get("hostnames") or ())))
    return tuple(lines)


def _ports(spec: Obj) -> tuple[PortMapping, ...]:
    if spec.get("hostNetwork"):
        return ()
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return tuple(
        PortMapping(
            int(port["containerPort"]),
            int(port["hostPort"]),
            str(port.get("protocol") or "TCP"),
            str(port.get("hostIP") or ""),
        )
        for container in containers
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )
