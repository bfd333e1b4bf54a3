"""Leases and endpoint slices."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules

_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_ENDPOINTS_MAX, _ADDRESSES_MAX, _PORTS_MAX = 1000, 100, 20_000


def _lease(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        causes.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    if transitions is not None:
        causes.not_negative("spec.leaseTransitions", transitions)


def _slice(causes: Causes, obj: Obj) -> None:
    kind = obj.get("addressType", "")
    causes.one_of("addressType", kind, _ADDRESS_TYPES)
    _slice_endpoints(causes, obj, kind)
    _slice_ports(causes, obj)


def _slice_endpoints(causes: Causes, obj: Obj, kind: str) -> None:
    endpoints = obj.get("endpoints") or ()
    if len(endpoints) > _ENDPOINTS_MAX:
        causes.too_many("endpoints", len(endpoints), _ENDPOINTS_MAX)
        return
    for index, endpoint in enumerate(endpoints):
        here = f"endpoints[{index}]"
        addresses = endpoint.get("addresses") or ()
        if not addresses:
            causes.required(f"{here}.addresses", "must contain at least 1 address")
        elif len(addresses) > _ADDRESSES_MAX:
            causes.too_many(f"{here}.addresses", len(addresses), _ADDRESSES_MAX)
        for place, address in enumerate(addresses):
            _slice_address(causes, address, kind, f"{here}.addresses[{place}]")
        if endpoint.get("nodeName"):
            causes.each_invalid(f"{here}.nodeName", endpoint["nodeName"], names.dns_subdomain(endpoint["nodeName"]))
        if endpoint.get("hostname"):
            causes.each_invalid(f"{here}.hostname", endpoint["hostname"], names.dns_label(endpoint["hostname"]))


def _slice_address(causes: Causes, address: str, kind: str, path: str) -> None:
    if kind == "FQDN":
        causes.each_invalid(path, address, names.dns_subdomain(address))
        return
    parsed = references.parse_ip(address)
    if parsed is None:
        references.ip(causes, path, address)
        return
    if f"IPv{parsed.version}" != kind and kind in ("IPv4", "IPv6"):
        causes.invalid(path, address, f"must be an {kind} address")
    references.not_special_ip(causes, path, address)


def _slice_ports(causes: Causes, obj: Obj) -> None:
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
        if port.get("appProtocol"):
            wrong = names.qualified_name(port["appProtocol"])
            causes.each_invalid(f"{here}.appProtocol", port["appProtocol"], wrong)


def _slice_update(causes: Causes, new: Obj, old: Obj) -> None:
    _slice(causes, new)
    causes.immutable("addressType", new.get("addressType"), old.get("addressType"))


RULES = {
    "EndpointSlice": Rules(create=_slice, update=_slice_update),
    "Lease": Rules(create=_lease),
}
