"""EndpointSlice: a part of the addresses behind a Service (pkg/apis/discovery/validation)."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.metadata import labels
from kube_actors.api.validation.rules import Rules

_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_ENDPOINTS_MAX, _ADDRESSES_MAX, _PORTS_MAX, _HINTS_MAX, _TOPOLOGY_MAX = 1000, 100, 20_000, 8, 16


def _defaults(obj: Obj) -> None:
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def _create(causes: Causes, obj: Obj) -> None:
    kind = obj.get("addressType", "")
    causes.one_of("addressType", kind, _ADDRESS_TYPES)
    _endpoints(causes, obj, kind)
    _ports(causes, obj)


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    _create(causes, new)
    causes.immutable("addressType", new.get("addressType"), old.get("addressType"))


def _endpoints(causes: Causes, obj: Obj, kind: str) -> None:
    endpoints = obj.get("endpoints") or ()
    if len(endpoints) > _ENDPOINTS_MAX:
        causes.too_many("endpoints", len(endpoints), _ENDPOINTS_MAX)
        return
    for index, endpoint in enumerate(endpoints):
        _endpoint(causes, endpoint, kind, f"endpoints[{index}]")


def _endpoint(causes: Causes, endpoint: Obj, kind: str, path: str) -> None:
    addresses = endpoint.get("addresses") or ()
    if not addresses:
        causes.required(f"{path}.addresses", "must contain at least 1 address")
    elif len(addresses) > _ADDRESSES_MAX:
        causes.too_many(f"{path}.addresses", len(addresses), _ADDRESSES_MAX)
    for place, address in enumerate(addresses):
        _address(causes, address, kind, f"{path}.addresses[{place}]")
    if "nodeName" in endpoint:
        causes.each_invalid(f"{path}.nodeName", endpoint["nodeName"], names.dns_subdomain(endpoint["nodeName"]))
    topology = endpoint.get("deprecatedTopology") or {}
    if len(topology) > _TOPOLOGY_MAX:
        causes.too_many(f"{path}.deprecatedTopology", len(topology), _TOPOLOGY_MAX)
    labels(causes, topology, f"{path}.deprecatedTopology")
    if "hostname" in endpoint:
        causes.each_invalid(f"{path}.hostname", endpoint["hostname"], names.dns_label(endpoint["hostname"]))
    hints = endpoint.get("hints") or {}
    for field, key in (("forZones", "zone"), ("forNodes", "node")):
        _hints(causes, hints.get(field) or [], f"{path}.hints.{field}", key)


def _hints(causes: Causes, hints: list[Obj], path: str, key: str) -> None:
    if len(hints) > _HINTS_MAX:
        causes.too_many(path, len(hints), _HINTS_MAX)
        return
    seen: set[str] = set()
    for index, hint in enumerate(hints):
        name = hint.get("name", "")
        if name in seen:
            causes.duplicate(f"{path}[{index}].name", name)
        seen.add(name)
        check = names.label_value if key == "zone" else names.dns_subdomain
        causes.each_invalid(f"{path}[{index}].name", name, check(name))


def _address(causes: Causes, address: str, kind: str, path: str) -> None:
    if kind == "FQDN":
        _domain_name(causes, address, path)
    if kind not in ("IPv4", "IPv6"):
        return
    parsed = references.parse_ip(address)
    if parsed is None:
        references.ip(causes, path, address)
        return
    if f"IPv{parsed.version}" != kind:
        causes.invalid(path, address, f"must be an {kind} address")
    references.not_special_ip(causes, path, address)


def _domain_name(causes: Causes, text: str, path: str) -> None:
    """IsFullyQualifiedDomainName."""
    name = text.removesuffix(".")
    labels_of_name = name.split(".")
    if not text:
        causes.required(path)
    elif names.dns_subdomain(name):
        causes.invalid(path, name, ",".join(names.dns_subdomain(name)))
    elif len(labels_of_name) < 2:
        causes.invalid(path, name, "should be a domain with at least two segments separated by dots")
    else:
        for label in labels_of_name:
            if names.dns_label(label):
                causes.invalid(path, label, ",".join(names.dns_label(label)))


def _ports(causes: Causes, obj: Obj) -> None:
    ports = obj.get("ports") or ()
    if len(ports) > _PORTS_MAX:
        causes.too_many("ports", len(ports), _PORTS_MAX)
        return
    seen: set[str] = set()
    for index, port in enumerate(ports):
        here = f"ports[{index}]"
        name = port.get("name", "")
        if name:
            causes.each_invalid(f"{here}.name", name, names.dns_label(name))
        if name in seen:
            causes.duplicate(f"{here}.name", name)
        seen.add(name)
        causes.one_of(f"{here}.protocol", port.get("protocol"), references.PROTOCOLS)
        if "appProtocol" in port:
            wrong = names.qualified_name(port["appProtocol"])
            causes.each_invalid(f"{here}.appProtocol", port["appProtocol"], wrong)


KIND = Kind(
    rules=Rules(create=_create, update=_update),
    defaults=_defaults,
    counted=("endpoints", "ports", "addressType", "metadata.labels"),
)
