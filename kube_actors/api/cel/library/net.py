"""ip and cidr, and what one asks of them (k8s.io/apiserver/pkg/cel/library/ip.go and cidr.go).

Text is read strictly, as Go's netip does: no leading zeros, no zones, no IPv4-mapped IPv6.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_interface, ip_network
from typing import Any

from kube_actors.api.cel.library.functions import Function, FunctionError, is_a, tagged, value_of

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


def _parse_ip(text: str) -> _Address:
    try:
        address = ip_address(text)
    except ValueError as error:
        raise FunctionError(
            f'IP Address "{text}" parse error during conversion from string: ParseAddr("{text}"): unable to parse IP'
        ) from error
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        raise FunctionError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise FunctionError(f'IP address "{text}" with zone value is not allowed')
    return address


def _parse_cidr(text: str) -> tuple[_Address, int]:
    """The address as written, and the length of the prefix."""
    address, slash, length = text.partition("/")
    try:
        if not slash or not length.isdigit() or (length[0] == "0" and length != "0"):
            raise ValueError
        interface = ip_interface(text)
        _parse_ip(address)
    except (ValueError, FunctionError) as error:
        known = "network address parse error during conversion from string: "  # Kubernetes says it twice
        why = "bad prefix" if slash else "no '/'"
        raise FunctionError(f'{known}{known}netip.ParsePrefix("{text}"): {why}') from error
    return interface.ip, int(length)


def _succeeds(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except FunctionError:
        return False
    return True


def _ip(held: Any) -> dict[str, Any]:
    """ip(text), and the address of a CIDR."""
    return tagged("IP", str(_parse_ip(held) if isinstance(held, str) else _parse_cidr(value_of(held))[0]))


def _cidr(text: str) -> dict[str, Any]:
    address, length = _parse_cidr(text)
    return tagged("CIDR", f"{address}/{length}")


def _address(held: Any) -> _Address:
    return ip_address(value_of(held))


def _network(held: Any) -> _Network:
    return ip_network(value_of(held), strict=False)


def _is_canonical(text: str) -> bool:
    return str(_parse_ip(text)) == text


def _is_global_unicast(held: Any) -> bool:
    address = _address(held)
    excluded = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not excluded and str(address) != "255.255.255.255"


def _is_link_local_multicast(held: Any) -> bool:
    address = _address(held)
    if isinstance(address, IPv4Address):
        return address in IPv4Network("224.0.0.0/24")
    return address.is_multicast and address.packed[1] & 0x0F == 2


def _contains_ip(held: Any, other: Any) -> bool:
    address = _parse_ip(other) if isinstance(other, str) else _address(other)
    return address in _network(held)


def _contains_cidr(held: Any, other: Any) -> bool:
    outer = _network(held)
    inner = _network(_cidr(other) if isinstance(other, str) else other)
    if isinstance(outer, IPv4Network):
        return isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and inner.subnet_of(outer)


def _text(held: Any) -> str:
    if not (is_a("IP", held) or is_a("CIDR", held)):
        raise FunctionError("no such overload")
    return str(value_of(held))


def _family(held: Any) -> int:
    return _address(held).version


FUNCTIONS = (
    Function("ip", ("string",), "IP", _ip, member=False),
    Function("isIP", ("string",), "bool", lambda text: _succeeds(_parse_ip, text), member=False),
    Function("ip.isCanonical", ("string",), "bool", _is_canonical, member=False),
    Function("family", ("IP",), "int", _family),
    Function("isUnspecified", ("IP",), "bool", lambda held: _address(held).is_unspecified),
    Function("isLoopback", ("IP",), "bool", lambda held: _address(held).is_loopback),
    Function("isLinkLocalUnicast", ("IP",), "bool", lambda held: _address(held).is_link_local),
    Function("isLinkLocalMulticast", ("IP",), "bool", _is_link_local_multicast),
    Function("isGlobalUnicast", ("IP",), "bool", _is_global_unicast),
    Function("string", ("IP",), "string", _text, member=False),
    Function("string", ("CIDR",), "string", _text, member=False),
    Function("cidr", ("string",), "CIDR", _cidr, member=False),
    Function("isCIDR", ("string",), "bool", lambda text: _succeeds(_parse_cidr, text), member=False),
    Function("containsIP", ("CIDR", "string"), "bool", _contains_ip),
    Function("containsIP", ("CIDR", "IP"), "bool", _contains_ip),
    Function("containsCIDR", ("CIDR", "string"), "bool", _contains_cidr),
    Function("containsCIDR", ("CIDR", "CIDR"), "bool", _contains_cidr),
    Function("ip", ("CIDR",), "IP", _ip),
    Function("masked", ("CIDR",), "CIDR", lambda held: tagged("CIDR", str(_network(held)))),
    Function("prefixLength", ("CIDR",), "int", lambda held: _network(held).prefixlen),
)
