"""Endpoints: the addresses behind a Service, as it was before EndpointSlices."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.rules import Rules


def _defaults(obj: Obj) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _create(causes: Causes, obj: Obj) -> None:
    for index, subset in enumerate(obj.get("subsets") or ()):
        here = f"subsets[{index}]"
        ready, waiting = subset.get("addresses") or (), subset.get("notReadyAddresses") or ()
        if not ready and not waiting:
            causes.required(here, "must specify `addresses` or `notReadyAddresses`")
        for field, addresses in (("addresses", ready), ("notReadyAddresses", waiting)):
            for place, address in enumerate(addresses):
                _address(causes, address, f"{here}.{field}[{place}]")
        ports = subset.get("ports") or ()
        for place, port in enumerate(ports):
            _port(causes, port, len(ports) > 1, f"{here}.ports[{place}]")


def _address(causes: Causes, address: Obj, path: str) -> None:
    value = address.get("ip", "")
    references.ip(causes, f"{path}.ip", value)
    if address.get("hostname"):
        causes.each_invalid(f"{path}.hostname", address["hostname"], names.dns_label(address["hostname"]))
    if address.get("nodeName") is not None:
        wrong = names.dns_subdomain(address["nodeName"])
        causes.each_invalid(f"{path}.nodeName", address["nodeName"], wrong)
    references.not_special_ip(causes, f"{path}.ip", value)


def _port(causes: Causes, port: Obj, needs_name: bool, path: str) -> None:
    name = port.get("name", "")
    if needs_name and not name:
        causes.required(f"{path}.name")
    elif name:
        causes.each_invalid(f"{path}.name", name, names.dns_label(name))
    causes.each_invalid(f"{path}.port", port["port"], names.port_number(port["port"]))
    causes.one_of(f"{path}.protocol", port.get("protocol"), references.PROTOCOLS)
    if port.get("appProtocol") is not None:
        causes.each_invalid(f"{path}.appProtocol", port["appProtocol"], names.qualified_name(port["appProtocol"]))


KIND = Kind(rules=Rules(create=_create), rest=RestRules(create_on_update=True), defaults=_defaults)
