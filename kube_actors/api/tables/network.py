"""How networking.k8s.io and discovery.k8s.io are printed."""

from __future__ import annotations

from typing import Any

from kube_actors.api import Obj
from kube_actors.api.tables.cells import NONE, UNSET, name_of, named, selector
from kube_actors.api.tables.engine import NAME, Column, Printer, age

_SHOWN_ENDPOINTS = 3
_SHOWN_HOSTS = 3


def _more(items: list[str], shown: int) -> str:
    text = ",".join(items[:shown])
    return f"{text} + {len(items) - shown} more..." if len(items) > shown else text


def _slice_endpoints(obj: Obj) -> str:
    found = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return _more(found, _SHOWN_ENDPOINTS) or UNSET


def _slice_ports(obj: Obj) -> str:
    ports = [str(port["port"]) for port in obj.get("ports") or () if "port" in port]
    return _more(ports, _SHOWN_ENDPOINTS) or UNSET


def _hosts(obj: Obj) -> str:
    rules = (obj.get("spec") or {}).get("rules") or ()
    hosts = [rule["host"] for rule in rules if rule.get("host")]
    return _more(hosts, _SHOWN_HOSTS) or "*"


def _addresses(obj: Obj) -> str:
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return ",".join(dict.fromkeys(one.get("ip") or one.get("hostname") or "" for one in ingress))


def _ports(obj: Obj) -> str:
    return "80, 443" if (obj.get("spec") or {}).get("tls") else "80"


def _parameters(obj: Obj) -> str:
    parameters = (obj.get("spec") or {}).get("parameters")
    if not parameters:
        return NONE
    group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
    return f"{parameters.get('kind', '')}{group}/{parameters.get('name', '')}"


def _ip_address(obj: Obj, now: float) -> list[Any]:
    parent = (obj.get("spec") or {}).get("parentRef") or {}
    resource = ".".join(part for part in (parent.get("resource"), parent.get("group")) if part)
    shown = "/".join(part for part in (resource, parent.get("namespace"), parent.get("name")) if part)
    return [name_of(obj), shown, age(obj, now)]


PRINTERS = {
    "EndpointSlice": named(
        (Column("AddressType", "=discovery.EndpointSlice.addressType"), lambda obj: obj.get("addressType", "")),
        (Column("Ports", "=discovery.EndpointSlice.ports"), _slice_ports),
        (Column("Endpoints", "=discovery.EndpointSlice.endpoints"), _slice_endpoints),
    ),
    "Ingress": named(
        (
            Column("Class", "The name of the IngressClass resource that should be used for additional configuration"),
            lambda obj: (obj.get("spec") or {}).get("ingressClassName", NONE),
        ),
        (Column("Hosts", "Hosts that incoming requests are matched against before the ingress rule"), _hosts),
        (
            Column("Address", "Address is a list containing ingress points for the load-balancer"),
            _addresses,
        ),
        (Column("Ports", "Ports of TLS configurations that open"), _ports),
    ),
    "IngressClass": named(
        (
            Column("Controller", "Controller that is responsible for handling this class"),
            lambda obj: (obj.get("spec") or {}).get("controller", ""),
        ),
        (Column("Parameters", "A reference to a resource with additional parameters"), _parameters),
    ),
    "IPAddress": Printer((NAME, Column("ParentRef", "=networking.IPAddressSpec.parentRef")), _ip_address),
    "NetworkPolicy": named(
        (
            Column("Pod-Selector", "=networking.NetworkPolicySpec.podSelector"),
            lambda obj: selector((obj.get("spec") or {}).get("podSelector") or {}),
        ),
    ),
    "ServiceCIDR": named(
        (
            Column("CIDRs", "=networking.ServiceCIDRSpec.cidrs"),
            lambda obj: ",".join((obj.get("spec") or {}).get("cidrs") or ()),
        ),
    ),
}
