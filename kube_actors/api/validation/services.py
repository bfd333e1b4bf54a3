"""Services (k8s.io/kubernetes/pkg/apis/core/validation: ValidateService)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kube_actors.api import Obj
from kube_actors.api.gotext import go_json
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes, Raw
from kube_actors.api.validation.metadata import labels

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_FAMILIES = ("IPv4", "IPv6")
_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
_DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")
_AFFINITY_MAX = 86_400
_HINTS, _MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"


def service(causes: Causes, obj: Obj) -> None:
    """A service but its metadata (ValidateService)."""
    spec = obj["spec"]
    kind = spec.get("type", "")
    _topology_annotations(causes, obj)
    if not spec.get("ports") and not is_headless(spec) and kind != "ExternalName":
        causes.required("spec.ports")
    if kind in ("LoadBalancer", "NodePort") and is_headless(spec):
        causes.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    elif kind == "ExternalName":
        _external_name(causes, spec)
    _ports(causes, spec.get("ports") or ())
    if spec.get("selector"):
        labels(causes, spec["selector"], "spec.selector")
    causes.one_of("spec.sessionAffinity", spec.get("sessionAffinity"), ("ClientIP", "None"))
    _affinity(causes, spec)
    cluster_addresses(causes, spec)
    for index, address in enumerate(spec.get("externalIPs") or ()):
        where = f"spec.externalIPs[{index}]"
        if references.is_ip(address):
            references.not_special_ip(causes, where, address)
        else:
            references.ip(causes, where, address)
    causes.one_of("spec.type", kind, TYPES)
    _node_ports(causes, spec.get("ports") or (), kind)
    _source_ranges(causes, obj, kind)
    if "allocateLoadBalancerNodePorts" in spec and kind != "LoadBalancer":
        causes.forbidden("spec.allocateLoadBalancerNodePorts", "may only be used when `type` is 'LoadBalancer'")
    if "loadBalancerClass" in spec:
        _class(causes, spec, kind)
    _external_policy(causes, spec, kind)
    _internal_policy(causes, spec, kind)
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        causes.unsupported("spec.trafficDistribution", distribution, _DISTRIBUTIONS)


def is_headless(spec: Obj) -> bool:
    """Whether it has no address of its own, on purpose."""
    return spec.get("clusterIPs") == ["None"]


def _topology_annotations(causes: Causes, obj: Obj) -> None:
    values = obj["metadata"].get("annotations") or {}
    if _HINTS in values and _MODE in values and values[_HINTS] != values[_MODE]:
        text = f"must match annotations[{_HINTS}] when both are specified"
        causes.invalid(f"metadata.annotations[{_MODE}]", values[_MODE], text)


def cluster_addresses(causes: Causes, spec: Obj) -> None:
    """Cluster addresses and families (ValidateServiceClusterIPsRelatedFields)."""
    if spec.get("type") == "ExternalName":
        return
    addresses, families = spec.get("clusterIPs") or [], spec.get("ipFamilies") or []
    first = spec.get("clusterIP", "")
    if first and not addresses:
        causes.required("spec.clusterIPs")
    elif first and addresses[0] != first:
        causes.invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`")
    elif addresses and not first:
        causes.invalid("spec.clusterIPs", addresses, "must be empty when `clusterIP` is not specified")
    _families(causes, spec, families)
    before = len(causes)
    if addresses and addresses[0] == "None" and len(addresses) > 1:
        causes.invalid("spec.clusterIPs", addresses, "'None' must be the first and only value")
    for index, address in enumerate(addresses):
        if index or address != "None":
            references.ip(causes, f"spec.clusterIPs[{index}]", address)
    wrong = len(causes) > before
    if len(addresses) > 2:
        causes.invalid("spec.clusterIPs", addresses, "may only hold up to 2 values")
    if wrong or is_headless(spec):
        return
    found = [f"IPv{parsed.version}" for address in addresses if (parsed := references.parse_ip(address))]
    if len(found) > 1 and len(set(found)) < 2:
        causes.invalid("spec.clusterIPs", addresses, "may specify no more than one IP for each IP family")
    for index, (family, wanted) in enumerate(zip(found, families, strict=False)):
        if wanted in _FAMILIES and family != wanted:
            text = f"expected an {wanted} value as indicated by `ipFamilies[{index}]`"
            causes.invalid(f"spec.clusterIPs[{index}]", addresses[index], text)


def _families(causes: Causes, spec: Obj, families: list[str]) -> None:
    for index, family in enumerate(families):
        if family not in _FAMILIES:
            causes.unsupported(f"spec.ipFamilies[{index}]", family, _FAMILIES)
        if family in families[:index]:
            causes.duplicate(f"spec.ipFamilies[{index}]", family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _POLICIES:
        causes.unsupported("spec.ipFamilyPolicy", policy, _POLICIES)


def _ports(causes: Causes, ports: Sequence[Obj]) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        here = f"spec.ports[{index}]"
        name = port.get("name", "")
        if name:
            causes.each_invalid(f"{here}.name", name, names.dns_label(name))
            if name in seen:
                causes.duplicate(f"{here}.name", name)
            seen.add(name)
        elif len(ports) > 1:
            causes.required(f"{here}.name")
        causes.each_invalid(f"{here}.port", port["port"], names.port_number(port["port"]))
        causes.one_of(f"{here}.protocol", port.get("protocol"), references.PROTOCOLS)
        references.port_or_name(causes, f"{here}.targetPort", port.get("targetPort", 0))
        if port.get("appProtocol"):
            causes.each_invalid(f"{here}.appProtocol", port["appProtocol"], names.qualified_name(port["appProtocol"]))


def _node_ports(causes: Causes, ports: Sequence[Obj], kind: str) -> None:
    """A port on every node is for types that are reached from outside; all are different."""
    for index, port in enumerate(ports):
        if kind == "ClusterIP" and port.get("nodePort"):
            causes.forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")
    seen: set[tuple[str, str, int]] = set()
    for field in ("nodePort", "port"):
        for index, port in enumerate(ports):
            if not port.get(field):
                continue
            key = (field, port.get("protocol", ""), port[field])
            if key in seen and field == "nodePort":
                causes.duplicate(f"spec.ports[{index}].nodePort", port[field])
            elif key in seen:
                causes.duplicate(f"spec.ports[{index}]", _internal_port(port))
            seen.add(key)


def _internal_port(port: Obj) -> Raw:
    shown = {
        "Name": "", "Protocol": port.get("protocol"), "AppProtocol": None, "Port": port["port"], "TargetPort": 0,
        "NodePort": 0,
    }  # fmt: skip
    return Raw(go_json(shown))


def _affinity(causes: Causes, spec: Obj) -> None:
    config, path = spec.get("sessionAffinityConfig"), "spec.sessionAffinityConfig"
    if spec.get("sessionAffinity") == "None" and config is not None:
        causes.forbidden(path, "must not be set when session affinity is None")
    if spec.get("sessionAffinity") != "ClientIP":
        return
    for field in ("clientIP", "timeoutSeconds"):
        if config is None:
            break
        config, path = config.get(field), f"{path}.{field}"
    if config is None:
        causes.required(path, "when session affinity type is ClientIP")
    elif not 0 < config <= _AFFINITY_MAX:
        causes.invalid(path, config, f"must be greater than 0 and less than {_AFFINITY_MAX}")


def _source_ranges(causes: Causes, obj: Obj, kind: str) -> None:
    """From where a load balancer takes traffic: a field, or the annotation that was before it."""
    ranges, path = obj["spec"].get("loadBalancerSourceRanges"), "spec.LoadBalancerSourceRanges"
    annotation = (obj["metadata"].get("annotations") or {}).get(_SOURCE_RANGES)
    if not ranges and annotation is not None:
        path = f"metadata.annotations[{_SOURCE_RANGES}]"
    elif not ranges:
        return
    if kind != "LoadBalancer":
        causes.forbidden(path, "may only be used when `type` is 'LoadBalancer'")
    for index, value in enumerate(ranges or ()):
        references.cidr(causes, f"{path}[{index}]", value.strip())
    if not ranges and annotation and annotation.strip():
        for value in annotation.split(","):
            references.cidr(causes, path, value.strip())


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
    port, where = spec.get("healthCheckNodePort", 0), "spec.healthCheckNodePort"
    if _has_health_port(spec):
        if not port:
            causes.required(where)
        else:
            causes.each_invalid(where, port, names.port_number(port))
    elif port:
        text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        causes.invalid(where, port, text)


def _has_health_port(spec: Obj) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _internal_policy(causes: Causes, spec: Obj, kind: str) -> None:
    policy = spec.get("internalTrafficPolicy")
    if policy is None:
        if kind in ("ClusterIP", "LoadBalancer", "NodePort"):
            causes.required("spec.internalTrafficPolicy")
    elif policy not in ("Cluster", "Local"):
        causes.unsupported("spec.internalTrafficPolicy", policy, ("Cluster", "Local"))


def _external_name(causes: Causes, spec: Obj) -> None:
    for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(field):
            causes.forbidden(f"spec.{field}", "may not be set for ExternalName services")
    bare = spec.get("externalName", "").removesuffix(".")
    if not bare:
        causes.required("spec.externalName")
    else:
        causes.each_invalid("spec.externalName", bare, names.dns_subdomain(bare))


def service_update(causes: Causes, new: Obj, old: Obj) -> None:
    """Addresses and families stay once set, while the service keeps a type that has them."""
    spec, before = new["spec"], old["spec"]
    if "ExternalName" not in (spec.get("type"), before.get("type")):
        if not (is_headless(spec) and is_headless(before)):
            _kept(causes, spec, before, "clusterIPs", "clusterIP")
        if not (is_headless(spec) or is_headless(before)):
            _kept(causes, spec, before, "ipFamilies", "ipFamily")
    balancers = spec.get("type") == before.get("type") == "LoadBalancer"
    if balancers and spec.get("loadBalancerClass") != before.get("loadBalancerClass"):
        causes.invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), "may not change once set")
    checked = _has_health_port(spec) and _has_health_port(before)
    if checked and spec.get("healthCheckNodePort", 0) != before.get("healthCheckNodePort", 0):
        causes.forbidden("spec.healthCheckNodePort", "field is immutable")
    service(causes, new)


def _kept(causes: Causes, spec: Obj, before: Obj, field: str, name: str) -> None:
    """A second value may be added, and removed again; the first stays (validateUpgradeDowngradeClusterIPs)."""
    values, kept = spec.get(field) or [], before.get(field) or []
    once = "may not change once set"
    if len(values) == len(kept):
        for index, (value, had) in enumerate(zip(values, kept, strict=True)):
            if value != had:
                causes.invalid(f"spec.{field}[{index if field == 'clusterIPs' else 0}]", values, once)
        return
    shrinks = len(values) < len(kept)
    if shrinks and not spec.get("clusterIPs"):
        causes.invalid(f"spec.{field}[0]", values, f"primary {name} can not be unset")
    if values and kept and values[0] != kept[0]:
        causes.invalid(f"spec.{field}[0]", spec.get("clusterIPs") or [], once)
    policy = spec.get("ipFamilyPolicy")
    if shrinks and len(values) == 1 and policy != "SingleStack":
        text = f"must be set to 'SingleStack' when releasing the secondary {name}"
        causes.invalid("spec.ipFamilyPolicy", policy, text)


def service_status(causes: Causes, new: Obj, old: Obj) -> None:
    """The status of a load balancer."""
    ingress = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    if ingress and new["spec"].get("type") != "LoadBalancer":
        text = "may only be used when `spec.type` is 'LoadBalancer'"
        causes.forbidden("status.loadBalancer.ingress", text)
        return
    for index, one in enumerate(ingress):
        _ip_mode(causes, one, f"status.loadBalancer.ingress[{index}].ipMode")
    load_balancer(causes, ingress, "status.loadBalancer.ingress")


def _ip_mode(causes: Causes, ingress: Obj, path: str) -> None:
    mode, address = ingress.get("ipMode"), ingress.get("ip")
    if mode is None:
        if address:
            causes.required(path, "must be specified when `ip` is set")
    elif not address:
        causes.forbidden(path, "may not be specified when `ip` is not set")
    elif mode not in ("Proxy", "VIP"):
        causes.unsupported(path, mode, ("Proxy", "VIP"))


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
