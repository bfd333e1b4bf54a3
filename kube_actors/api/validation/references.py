"""Checks that several kinds share: addresses, ranges, ports, percentages, quantities."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from kube_actors.api import Obj, quantity
from kube_actors.api.validation import names
from kube_actors.api.validation.causes import Causes

PROTOCOLS = ("SCTP", "TCP", "UDP")
IP_TEXT = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CIDR_TEXT = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
PERCENT_TEXT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)
_PERCENT = re.compile(r"[0-9]+%")
_STANDARD_CONTAINER_RESOURCES = ("cpu", "memory", "ephemeral-storage")


def is_ip(text: str) -> bool:
    """As Go parses addresses: no zones, no leading zeros."""
    return parse_ip(text) is not None


def parse_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def ip(causes: Causes, field: str, value: str) -> None:
    if not is_ip(value):
        causes.invalid(field, value, IP_TEXT)


def cidr(causes: Causes, field: str, value: str) -> None:
    if parse_cidr(value) is None:
        causes.invalid(field, value, CIDR_TEXT)


def strict_ip(value: str) -> tuple[str, ...]:
    """An address in the one form that a new field may have (IsValidIP); what is wrong with it."""
    address = parse_ip(value)
    if address is None:
        return (IP_TEXT,)
    if address.version == 6 and address.ipv4_mapped is not None:
        return ("must not be an IPv4-mapped IPv6 address",)
    return () if str(address) == value else (f'must be in canonical form ("{address}")',)


def strict_cidr(value: str) -> tuple[str, ...]:
    """A range in the one form that a new field may have (IsValidCIDR); what is wrong with it."""
    network = parse_cidr(value)
    if network is None:
        return (CIDR_TEXT,)
    address = parse_ip(value.partition("/")[0])
    if address != network.network_address:
        return ("must not have bits set beyond the prefix length",)
    return () if str(network) == value else (f'must be in canonical form ("{network}")',)


def parse_cidr(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The range that `text` means, as Go parses it: with a length, without a zone."""
    _, slash, length = text.partition("/")
    if not slash or not length.isdecimal() or "%" in text:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def not_special_ip(causes: Causes, field: str, value: str) -> None:
    """An address that may stand for a service from outside (ValidateNonSpecialIP)."""
    address = parse_ip(value)
    if address is None:
        causes.invalid(field, value, "must be a valid IP address")
        return
    if address.is_unspecified:
        causes.invalid(field, value, f"may not be unspecified ({value})")
    if address.is_loopback:
        causes.invalid(field, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        causes.invalid(field, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    local = ipaddress.ip_network("224.0.0.0/24") if address.version == 4 else ipaddress.ip_network("ff02::/16")
    if address in local:
        causes.invalid(field, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def port_or_name(causes: Causes, field: str, value: Any) -> None:
    """A port number, or the name of a port."""
    if isinstance(value, int):
        causes.each_invalid(field, value, names.port_number(value))
    else:
        causes.each_invalid(field, value, names.port_name(value))


def int_or_percent(causes: Causes, field: str, value: Any) -> None:
    """A count, or a percentage."""
    if isinstance(value, str):
        if not _PERCENT.fullmatch(value):
            causes.invalid(field, value, PERCENT_TEXT)
    else:
        causes.not_negative(field, value)


def percent_of(value: Any) -> int | None:
    """50 of `50%`; None for a count."""
    return int(value[:-1]) if isinstance(value, str) and _PERCENT.fullmatch(value) else None


def at_most_all(causes: Causes, field: str, value: Any) -> None:
    """A percentage above 100 makes no sense here."""
    percent = percent_of(value)
    if percent is not None and percent > 100:
        causes.invalid(field, value, "must not be greater than 100%")


def resource_name(causes: Causes, field: str, name: str, *, kind: str = "containers") -> None:
    """A name in a resource list: a standard one, or one with a domain."""
    causes.each_invalid(field, name, names.qualified_name(name))
    if "/" in name:
        return
    if name not in _STANDARD_CONTAINER_RESOURCES and not name.startswith("hugepages-"):
        if not is_standard_resource(name):
            causes.invalid(field, name, "must be a standard resource type or fully qualified")
        causes.invalid(field, name, f"must be a standard resource for {kind}")


def is_standard_resource(name: str) -> bool:
    """Whether Kubernetes itself gives `name` a meaning somewhere."""
    return name in _STANDARD or name.startswith(("hugepages-", "requests.hugepages-"))


def typed_local_reference(causes: Causes, reference: Obj, path: str) -> None:
    """An object of any kind by its group, kind and name, as Ingresses and classes of them name their parameters."""
    group = reference.get("apiGroup")
    if group is not None:
        causes.each_invalid(f"{path}.apiGroup", group, names.dns_subdomain(group))
    for field in ("kind", "name"):
        path_segment(causes, reference.get(field, ""), f"{path}.{field}")


def path_segment(causes: Causes, value: str, field: str) -> None:
    """A part of a URL that has to be there."""
    if not value:
        causes.required(field)
    else:
        causes.each_invalid(field, value, names.path_segment(value))


_STANDARD = frozenset((
    "cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory", "requests.ephemeral-storage",
    "limits.cpu", "limits.memory", "limits.ephemeral-storage", "pods", "resourcequotas", "services",
    "replicationcontrollers", "secrets", "configmaps", "persistentvolumeclaims", "storage", "requests.storage",
    "services.nodeports", "services.loadbalancers",
))  # fmt: skip


def is_integer_resource(name: str) -> bool:
    """Extended and countable resources come in whole numbers."""
    return name not in ("cpu", "memory", "ephemeral-storage", "storage") and not name.startswith("hugepages-")


def quantity_not_negative(causes: Causes, field: str, value: str) -> None:
    if value.startswith("-"):
        causes.invalid(field, value, "must be greater than or equal to 0")


def whole_quantity(causes: Causes, field: str, value: str) -> None:
    if quantity.milli(value) % 1000:
        causes.invalid(field, value, "must be an integer")
