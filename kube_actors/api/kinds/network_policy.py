"""NetworkPolicy: which peers may reach pods, and which peers pods may reach."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.kinds.kind import Kind
from kube_actors.api.validation import names, references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.metadata import label_selector
from kube_actors.api.validation.rules import Rules

_PROTOCOLS = ("TCP", "UDP", "SCTP")
_TYPES = ("Ingress", "Egress")


def _defaults(obj: Obj) -> None:
    spec = obj["spec"]
    if not spec.get("policyTypes"):
        spec["policyTypes"] = list(_TYPES) if spec.get("egress") else ["Ingress"]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _create(causes: Causes, obj: Obj) -> None:
    spec = obj["spec"]
    label_selector(causes, spec.get("podSelector") or {}, "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            path = f"spec.{direction}[{index}]"
            for place, port in enumerate(rule.get("ports") or ()):
                _port(causes, port, f"{path}.ports[{place}]")
            for place, peer in enumerate(rule.get(peers) or ()):
                _peer(causes, peer, f"{path}.{peers}[{place}]")
    types = spec.get("policyTypes") or ()
    if len(types) > len(_TYPES):
        causes.invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
        return
    for index, one in enumerate(types):
        if one not in _TYPES:
            causes.unsupported(f"spec.policyTypes[{index}]", one, _TYPES)


def _port(causes: Causes, port: Obj, path: str) -> None:
    protocol, number, end = port.get("protocol"), port.get("port"), port.get("endPort")
    if protocol is not None and protocol not in _PROTOCOLS:
        causes.unsupported(f"{path}.protocol", protocol, _PROTOCOLS)
    if number is None:
        if end is not None:
            causes.invalid(f"{path}.endPort", end, "may not be specified when `port` is not specified")
    elif isinstance(number, str):
        if end is not None:
            causes.invalid(f"{path}.endPort", end, "may not be specified when `port` is non-numeric")
        causes.each_invalid(f"{path}.port", number, names.port_name(number))
    else:
        causes.each_invalid(f"{path}.port", number, names.port_number(number))
        if end is not None:
            if end < number:
                causes.invalid(f"{path}.endPort", number, "must be greater than or equal to `port`")
            causes.each_invalid(f"{path}.endPort", end, names.port_number(end))


def _peer(causes: Causes, peer: Obj, path: str) -> None:
    for field in ("podSelector", "namespaceSelector"):
        if field in peer:
            label_selector(causes, peer[field], f"{path}.{field}")
    if "ipBlock" in peer:
        _block(causes, peer["ipBlock"], f"{path}.ipBlock")
    given = sum(field in peer for field in ("podSelector", "namespaceSelector", "ipBlock"))
    if not given:
        causes.required(path, "must specify a peer")
    elif given > 1 and "ipBlock" in peer:
        causes.forbidden(path, "may not specify both ipBlock and another peer")


def _block(causes: Causes, block: Obj, path: str) -> None:
    text = block.get("cidr", "")
    if not text:
        causes.required(f"{path}.cidr")
        return
    references.cidr(causes, f"{path}.cidr", text)
    whole = references.parse_cidr(text)
    if whole is None:
        return
    for index, hole in enumerate(block.get("except") or ()):
        field = f"{path}.except[{index}]"
        references.cidr(causes, field, hole)
        part = references.parse_cidr(hole)
        if part is None:
            continue
        if part.network_address not in whole or part.prefixlen <= whole.prefixlen:
            causes.invalid(field, hole, "must be a strict subset of `cidr`")


KIND = Kind(rules=Rules(create=_create), defaults=_defaults, counted=("spec",))
