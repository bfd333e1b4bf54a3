"""Services (k8s.io/kubernetes/pkg/apis/core/validation: ValidateService)."""

from __future__ import annotations

from collections.abc import Iterable

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.metadata import labels
from kube_actors.api.validation.rules import Rules

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_FAMILIES = ("IPv4", "IPv6")
_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_AFFINITY_MAX = 86_400


def service(causes: Causes, obj: Obj) -> None:
    """A service but its metadata."""
    spec = obj["spec"]
    kind = spec.get("type", "")
    headless = spec.get("clusterIP") == "None" or spec.get("clusterIPs") == ["None"]
    if not spec.get("ports") and not headless and kind != "ExternalName":
        causes.required("spec.ports")
    _clusterless(causes, spec, kind)
    _ports(causes, spec, kind, headless)
    if spec.get("selector"):
        labels(causes, spec["selector"], "spec.selector")
    causes.one_of("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    if spec.get("sessionAffinity") == "ClientIP":
        _affinity(causes, spec)
    for index, address in enumerate(spec.get("externalIPs") or ()):
        where = f"spec.externalIPs[{index}]"
        if references.is_ip(address):
            references.not_special_ip(causes, where, address)
        else:
            references.ip(causes, where, address)
    causes.one_of("spec.type", kind, TYPES)
    _source_ranges(causes, obj, kind)
    if "allocateLoadBalancerNodePorts" in spec and kind != "LoadBalancer":
        causes.forbidden("spec.allocateLoadBalancerNodePorts", "may only be used when `type` is 'LoadBalancer'")
    if "loadBalancerClass" in spec:
        _class(causes, spec, kind)
    _external_policy(causes, spec, kind)
    policy = spec.get("internalTrafficPolicy")
    if policy is not None and policy not in ("Cluster", "Local"):
        causes.unsupported("spec.internalTrafficPolicy", policy, ("Cluster", "Local"))
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        causes.unsupported("spec.trafficDistribution", distribution, _DISTRIBUTIONS)
    if kind == "ExternalName":
        _external_name(causes, spec)


def _clusterless(causes: Causes, spec: Obj, kind: str) -> None:
    """Cluster addresses and families, as ValidateServiceClusterIPsRelatedFields checks them."""
    addresses, families = spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    if kind == "ExternalName":
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if spec.get(field):
                causes.forbidden(f"spec.{field}", "may not be set for ExternalName services")
        return
    first = spec.get("clusterIP", "")
    if not first and addresses:
        causes.invalid("spec.clusterIPs", addresses, "must be empty when `clusterIP` is not specified")
    elif first and not addresses:
        causes.invalid("spec.clusterIPs", addresses, "must contain the value of `clusterIP`")
    elif first and addresses[0] != first:
        causes.invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`")
    _families(causes, spec, families)
    if addresses and addresses[0] == "None":
        if len(addresses) > 1:
            causes.invalid("spec.clusterIPs[0]", addresses, "'None' must be the first and only value")
        if kind in ("NodePort", "LoadBalancer"):
            causes.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
        return
    for index, address in enumerate(addresses):
        where = f"spec.clusterIPs[{index}]"
        parsed = references.parse_ip(address)
        if parsed is None:
            references.ip(causes, where, address)
        elif index < len(families) and families[index] in _FAMILIES and f"IPv{parsed.version}" != families[index]:
            text = f"expected an {families[index]} value as indicated by `ipFamilies[{index}]`"
            causes.invalid(where, address, text)
    if len(addresses) > 2:
        causes.invalid("spec.clusterIPs", addresses, "may only hold up to 2 values")


def _families(causes: Causes, spec: Obj, families: list[str]) -> None:
    seen: set[str] = set()
    for index, family in enumerate(families):
        if family not in _FAMILIES:
            causes.unsupported(f"spec.ipFamilies[{index}]", family, _FAMILIES)
        elif family in seen:
            causes.duplicate(f"spec.ipFamilies[{index}]", family)
        seen.add(family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _POLICIES:
        causes.unsupported("spec.ipFamilyPolicy", policy, _POLICIES)


def _ports(causes: Causes, spec: Obj, kind: str, headless: bool) -> None:
    ports = spec.get("ports") or ()
    seen_names: set[str] = set()
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        here = f"spec.ports[{index}]"
        name = port.get("name", "")
        if name:
            wrong = names.dns_label(name)
            causes.each_invalid(f"{here}.name", name, wrong)
            if name in seen_names:
                causes.duplicate(f"{here}.name", name)
            elif not wrong:
                seen_names.add(name)
        elif len(ports) > 1:
            causes.required(f"{here}.name")
        causes.each_invalid(f"{here}.port", port["port"], names.port_number(port["port"]))
        causes.one_of(f"{here}.protocol", port.get("protocol"), references.PROTOCOLS)
        references.port_or_name(causes, f"{here}.targetPort", port.get("targetPort", 0))
        if port.get("appProtocol"):
            causes.each_invalid(f"{here}.appProtocol", port["appProtocol"], names.qualified_name(port["appProtocol"]))
    for index, port in enumerate(ports):
        if kind in ("", "ClusterIP", "ExternalName") and port.get("nodePort"):
            causes.forbidden(f"spec.ports[{index}].nodePort", f"may not be used when `type` is '{kind}'")
    for index, port in enumerate(ports):
        key = (port.get("protocol", ""), port["port"])
        if key in seen:
            causes.duplicate(f"spec.ports[{index}]", _internal_port(port))
        seen.add(key)


def _internal_port(port: Obj) -> Raw:
    shown = {
        "Name": "", "Protocol": port.get("protocol"), "AppProtocol": None, "Port": port["port"], "TargetPort": 0,
        "NodePort": 0,
    }  # fmt: skip
    return Raw(go_json(shown))


def _affinity(causes: Causes, spec: Obj) -> None:
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    seconds = config.get("timeoutSeconds")
    where = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
    if seconds is None:
        causes.required(where, "sessionAffinityConfig should not be empty")
    elif not 0 < seconds <= _AFFINITY_MAX:
        causes.invalid(where, seconds, f"must be greater than 0 and less than {_AFFINITY_MAX}")


def _source_ranges(causes: Causes, obj: Obj, kind: str) -> None:
    ranges = obj["spec"].get("loadBalancerSourceRanges")
    if not ranges:
        return
    if kind != "LoadBalancer":
        causes.forbidden("spec.LoadBalancerSourceRanges", "may only be used when `type` is 'LoadBalancer'")
    for index, value in enumerate(ranges):
        references.cidr(causes, f"spec.LoadBalancerSourceRanges[{index}]", value.strip())


def _class(causes: Causes, spec: Obj, kind: str) -> None:
    if kind != "LoadBalancer":
        causes.forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'")
        return
    name = spec["loadBalancerClass"]
    causes.each_invalid("spec.loadBalancerClass", name, names.qualified_name(name))


def _external_policy(causes: Causes, spec: Obj, kind: str) -> None:
    policy = spec.get("externalTrafficPolicy")
    outside = kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and bool(spec.get("externalIPs")))
    if outside:
        causes.one_of("spec.externalTrafficPolicy", policy, ("Cluster", "Local"))
    elif policy:
        text = "may only be set for externally-accessible services"
        causes.invalid("spec.externalTrafficPolicy", policy, text)
    port = spec.get("healthCheckNodePort", 0)
    if port:
        if port < 0:
            causes.invalid("spec.healthCheckNodePort", port, "must be between 0 and 65535, inclusive")
        if kind != "LoadBalancer" or policy != "Local":
            text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            causes.invalid("spec.healthCheckNodePort", port, text)


def _external_name(causes: Causes, spec: Obj) -> None:
    name = spec.get("externalName", "")
    if not name:
        causes.required("spec.externalName")
    else:
        bare = name.removesuffix(".")
        causes.each_invalid("spec.externalName", bare, names.dns_subdomain(bare))


def service_update(causes: Causes, new: Obj, old: Obj) -> None:
    """Addresses stay once set, while the service keeps a type that has them."""
    spec, before = new["spec"], old["spec"]
    if before.get("type") != "ExternalName" and spec.get("type") != "ExternalName":
        addresses, kept = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
        agree = addresses and addresses[0] == spec.get("clusterIP")
        if agree and kept and addresses[0] != kept[0]:
            causes.invalid("spec.clusterIPs[0]", addresses, "may not change once set")
    if spec.get("type") == before.get("type") == "LoadBalancer":
        if spec.get("loadBalancerClass") != before.get("loadBalancerClass"):
            causes.invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), "may not change once set")
        port = before.get("healthCheckNodePort", 0)
        same = spec.get("externalTrafficPolicy") == before.get("externalTrafficPolicy") == "Local"
        if same and port and spec.get("healthCheckNodePort", 0) != port:
            causes.forbidden("spec.healthCheckNodePort", "field is immutable")
    service(causes, new)


def service_status(causes: Causes, new: Obj, old: Obj) -> None:
    """The status of a load balancer."""
    ingress = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    load_balancer(causes, ingress, "status.loadBalancer.ingress")


def load_balancer(causes: Causes, ingress: Iterable[Obj], path: str) -> None:
    """The addresses at which something is reachable from outside."""
    for index, one in enumerate(ingress):
        if one.get("ip"):
            references.ip(causes, f"{path}[{index}].ip", one["ip"])
        host = one.get("hostname")
        if host:
            if references.is_ip(host):
                text = "must be a DNS name, not an IP address"
                causes.invalid(f"{path}[{index}].hostname", host, text)
            causes.each_invalid(f"{path}[{index}].hostname", host, names.dns_subdomain(host))


SERVICE = Rules(create=service, update=service_update, status=service_status, name=names.dns_label)
